"""tmd: a daemon that starts programs, keeps them alive and answers for them.

The folders are floors; imports go down only:

    http    HTTP on the loop: connections, XML-RPC, streams          floor 5
    daemon  the shell: runtime, bus, operations                      floor 4
    posix   mechanism without policy                                 floor 3
    core    policy without mechanism (never imports posix)           floor 2
    config  options, settings, plan; pure                            floor 1
    wire    the RPC contract        tree  text -> located tree       floor 0
"""

__version__ = "0.1.0"
