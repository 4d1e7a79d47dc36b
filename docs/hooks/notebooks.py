"""Show notebooks as pages, with the outputs that are stored in them: building executes nothing."""

import base64
import json
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files


def on_files(files: Files, config: Any) -> Files:
    """Replace each notebook by a page and the pictures that it shows."""
    for file in [one for one in files if one.src_uri.endswith(".ipynb")]:
        files.remove(file)
        name = Path(file.src_uri).stem
        text, pictures = page(json.loads(Path(file.abs_src_path).read_text(encoding="utf-8")), name)
        files.append(File.generated(config, file.src_uri.replace(".ipynb", ".md"), content=text))
        for picture, data in pictures.items():
            files.append(File.generated(config, str(Path(file.src_uri).with_name(picture)), content=data))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Point links to notebooks, as the checkout has them, at their pages."""
    return re.sub(r"(?<=\]\()([\w./-]+)\.ipynb(?=[#)])", r"\1.md", markdown)


def page(notebook: dict[str, Any], name: str) -> tuple[str, dict[str, bytes]]:
    """Return the Markdown of a notebook and its pictures by file name."""
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                picture = f"{name}-{len(pictures) + 1}.png"
                pictures[picture] = base64.b64decode("".join(data["image/png"]))
                parts.append(f"![Output of the code above]({picture})")
            elif text := "".join(output.get("text", data.get("text/plain", ""))).rstrip():
                parts.append(f"```{{ .text .output }}\n{text}\n```")
    return "\n\n".join(parts) + "\n", pictures
