"""The grammar of `environment = A=1,B="x,y"`.

Tokens are name, `=`, value and then any one token as separator. A word is made of letters, digits, `_` and
`/ . + - ( ) :`; anything else wants quotes. `#` starts a comment here, too.
"""

import shlex


def parse_environment(text: str) -> dict[str, str]:
    """Return the variables; raises ValueError in Supervisor's words."""
    lexer = shlex.shlex(text)
    lexer.wordchars += "/.+-():"
    tokens = list(lexer)
    variables: dict[str, str] = {}
    for at in range(0, len(tokens), 4):
        triple = tokens[at : at + 3]
        if len(triple) != 3 or triple[1] != "=":
            raise ValueError(f"Unexpected end of key/value pairs in value '{text}'")
        variables[triple[0]] = triple[2].strip("'\"")
    return variables
