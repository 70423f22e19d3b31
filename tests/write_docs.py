"""Write the generated parts of the documents anew: `python tests/write_docs.py`.

These are the blocks between `<!-- begin NAME -->` and `<!-- end NAME -->`, and the
answers below the curl, flask and `make examples` lines of console blocks. Everything
else is written by hand. `test_docs.py` fails where a part is out of date.
"""

import contextlib
import json
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from werkzeug.serving import make_server

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a script, from wherever

import doc_cards  # noqa: E402
from doc_tables import BLOCKS, read  # noqa: E402

from housing_app import create_app, traffic  # noqa: E402

# --- console blocks: the output of commands, as it is now -----------------------------

CONSOLE = re.compile(r"(?<=```console\n).*?(?=```)", re.S)
_PRETTY = "python3 -m json.tool"
_SERVER = "http://127.0.0.1:8000"


def replayed(block: str, app: Any) -> str:
    """Return a console block with the output its commands have now."""
    shown = ""
    for command, output in commands(block):
        found = run(command.removeprefix("$ ").replace("\\\n", "").strip(), app)
        same = found is None or masked(found) == masked(output)
        shown += command + (output if same else found)
    return shown


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Yield each `$ ` line, to the end of its quotes, and the output below it."""
    for part in re.split(r"^(?=\$ )", block, flags=re.M)[1:]:
        lines = part.splitlines(keepends=True)
        for count in range(1, len(lines) + 1):
            command = "".join(lines[:count])
            if not command.endswith("\\\n") and command.count("'") % 2 == 0:
                yield command, "".join(lines[count:])
                break


def run(command: str, app: Any) -> str | None:
    """Return a command's output, or None for those that are not replayed."""
    first, *filters = command.split(" | ")
    program, *words = shlex.split(first)
    if program == "curl":
        answer = send(words, app)
    elif program == "flask":
        answer = app.test_cli_runner().invoke(args=words).output
    elif program == "head":
        answer = subprocess.check_output(["head", *words], text=True)
    else:
        return send_examples(app) if command == "make examples" else None
    if filters[:1] == [_PRETTY]:
        answer = json.dumps(json.loads(answer), indent=4) + "\n"
        filters = filters[1:]
    if filters:  # grep and its like, to show a part
        answer = subprocess.check_output(
            ["sh", "-c", " | ".join(filters)], input=answer, text=True
        )
    return answer


def send(words: list[str], app: Any) -> str:
    (url,) = (word for word in words if word.startswith(_SERVER))
    path = url.removeprefix(_SERVER)
    if "-d" not in words:
        return app.test_client().get(path).text
    body = words[words.index("-d") + 1]
    body = read(body[1:]) if body.startswith("@") else body
    kind = words[words.index("-H") + 1].removeprefix("Content-Type: ")
    return app.test_client().post(path, data=body, content_type=kind).text


def send_examples(app: Any) -> str:
    server = make_server("127.0.0.1", 0, app)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    command = [sys.executable, "examples/send_examples.py", "--url", url]
    try:
        return subprocess.check_output(
            [*command, "data/example_homes.csv"], cwd=ROOT, text=True, timeout=60
        )
    finally:
        server.shutdown()


def masked(text: str) -> str:
    """Hide what differs from answer to answer."""
    text = re.sub(r'("id": ?)"[0-9a-f-]{36}"', r"\1…", text)
    text = re.sub(r'("request_id": ?)"[0-9a-f]{32}"', r"\1…", text)
    text = re.sub(r"[0-9.]+ s, [0-9,]+ rows/s", "… s, … rows/s", text)
    return re.sub(r'("uptime_seconds": ?)[0-9.]+', r"\1…", text)


# --- all of it ------------------------------------------------------------------------


def renewed(document: str, app: Any) -> str:
    """Return a document as it should be."""
    text = read(document)
    for (path, name), block in BLOCKS.items():
        if path == document:
            begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
            before, rest = text.split(begin)
            text = f"{before}{begin}{block()}\n{end}{rest.split(end)[1]}"
    with contextlib.chdir(ROOT):
        return CONSOLE.sub(lambda found: replayed(found[0], app), text)


def new_app() -> Any:
    """Return an app as it comes; what one document asks shows in no other."""
    return create_app({"RATE_LIMIT": "off", "LOG_LEVEL": "error"})


DOCUMENTS = sorted({document for document, _ in BLOCKS})

if __name__ == "__main__":
    traffic.install(new_app().config)
    for document in DOCUMENTS:
        (ROOT / document).write_text(renewed(document, new_app()), "utf-8")
        print(document)
    for name in doc_cards.write():
        print(name)
