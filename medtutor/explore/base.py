"""A picture that becomes an explorer where scripts may run, and stays a described picture where they may not.

One text/html output, no kernel and no extension: live in JupyterLab, after reopening, in exported pages and
in slides. An explorer is one ES module with a top-level `function render({model, el})`, which builds the
explorer inside the element `el`; `model.get(name)` and `model.set(name, value)` reach its state.
"""

import base64
import hashlib
import html
import json
import re
from pathlib import Path

HERE = Path(__file__).parent
_MOVES = re.compile(
    r"[-−]?\d[\d.,]*(?= ±)"
)  # a number that differs between computers, by what stands behind it
CAPTION = "Static picture; run or trust the notebook for the interactive version."


class Explorer:
    """A self-upgrading explorer; as the last line of a cell it is shown.

    module_file  name of an ES module in this folder; a .css file of the same name is added to the shared one
    state        what the module starts from, JSON values only
    picture      medtutor.plot.Picture of that state: its alt describes the explorer
    name         in a word or two, e.g. "convolution"
    parts        scripts of this folder that go ahead of the module, with their style sheets, e.g. "parts.js"
    measured     True where a trained net is in the state, whose last digits differ between computers: the
                 state then stands between /* measured */ and /* end of measured */, and the figure's id
                 follows the description instead, without the numbers before a ±
    """

    def __init__(self, module_file, state, picture, name, parts=(), measured=False):
        self.module_file, self.state, self.picture, self.name = module_file, state, picture, name
        self.parts, self.measured = tuple(parts), measured

    def __repr__(self):
        return f"<{self.name} explorer: {self.picture.alt}>"

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/html": self.page(), "text/plain": repr(self)}

    def page(self):
        """The figure, its style and its script; equal states give equal text, whenever and wherever drawn."""
        files = (*self.parts, self.module_file)
        module = "\n".join(_script(HERE / file) for file in files)
        state = _json_in_script(self.state)
        what = _MOVES.sub("", self.picture.alt) if self.measured else state
        identity = "medtutor-" + hashlib.sha256((module + what).encode()).hexdigest()[:12]
        if self.measured:
            state = f"/* measured */ {state} /* end of measured */"
        return (
            f'<figure id="{identity}" class="mdx-still" style="margin:0.5em 0">\n'
            f'<img alt="{html.escape(self.picture.alt)}" style="max-width:100%" '
            f'src="data:image/png;base64,{base64.b64encode(self.picture.png).decode()}">\n'
            f"<figcaption>{CAPTION}</figcaption>\n</figure>\n"
            f"<style>\n{_styles(files)}</style>\n"
            f'<script type="module">\n{module}\n'
            f"{_script(HERE / 'upgrade.js')}\n"
            f"upgrade({json.dumps(identity)}, {state}, render);\n</script>"
        )


def encode_image(name, image):
    """An image from 0 to 1 as the explorers' state holds it: one byte a pixel, in hundredths, base64.

    image (rows, columns) -> {"name", "rows", "columns", "hundredths"}
    """
    levels = (100 * image).round().astype("uint8")
    rows, columns = image.shape
    return {
        "name": name,
        "rows": rows,
        "columns": columns,
        "hundredths": base64.b64encode(levels.tobytes()).decode(),
    }


def _styles(files):
    """The shared style sheet followed by those of the module and its parts."""
    sheets = [HERE / "explorer.css", *((HERE / file).with_suffix(".css") for file in files)]
    return "".join(sheet.read_text(encoding="utf-8") for sheet in sheets if sheet.exists())


def _script(path):
    """The text of a module that can stand between script tags."""
    text = path.read_text(encoding="utf-8")
    for end in ("</script", "<!--"):
        if end in text.lower():
            raise ValueError(
                f"{path.name} holds {end!r}, which ends a script in a page; write it in two parts"
            )
    return text


def _json_in_script(state):
    """JSON that can stand in a script: without <, no string of it can end the script or open a comment."""
    return json.dumps(state).replace("<", "\\u003c")
