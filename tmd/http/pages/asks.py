"""Pages that ask before something is done: where no script could, and where a form was sent twice or too late."""

from tmd.http.actions import Wish
from tmd.http.pages.dress import Body, Look, attribute, page, text
from tmd.http.pages.program import signal_choice
from tmd.http.replies import Reply


def ask(look: Look, wish: Wish, back: str, *, why: str = "", status: int = 200) -> Reply:
    """Return the page that asks whether a wish is meant; `back`: the field that says where to go then."""
    what = wish.text
    choose = ""
    if wish.verb == "signal" and not wish.signal:
        choose = f'<p><label for="signal">Signal</label> {signal_choice()}</p>\n'
    fields = {"verb": wish.verb, "name": wish.name, "back": back, "confirm": "yes"}
    if wish.signal:
        fields["signal"] = wish.signal
    hidden = "".join(
        f'<input type="hidden" form="act" name="{name}" value="{attribute(value)}">' for name, value in fields.items()
    )
    title = f"{what[0].upper()}{what[1:]}?"
    main = (
        f"<h1>{text(title)}</h1>\n<p>{text(why)}</p>\n{choose}{hidden}"
        f'<p class="actions"><button form="act" class="{wish.verb}" id="yes">{text(title.rstrip("?"))}</button> '
        f'<a href="{look.root}">No, back to the programs</a></p>\n'
    )
    return page(look, Body("ask", title, main), status=status)
