# Puts a daemon in the background, writes its pid to $1, and stays until it ends; the daemon writes to stdout, and says
# that it is ready once its pid can be read.
sh -c '
    for signal in HUP INT USR1 USR2 QUIT; do trap "echo got $signal" $signal; done
    trap "echo got TERM; exit 0" TERM
    until [ "$(cat "$1" 2>/dev/null)" = $$ ]; do sleep 0.01; done
    echo ready
    while :; do sleep 0.05; done
' daemon "$1" &
echo $! > "$1"
trap "echo launcher hit" TERM INT HUP
while kill -0 $! 2>/dev/null; do wait $!; done
echo launcher ends
