"""The process in which a student's code for one exercise runs. All that leaves it is a stranger's word.

It is started by the judge as a script of its own, knows numpy and not medtutor, and is told what to do by
messages (wire.py): define these statements, call the function with these inputs. It returns values; whether
they are right is decided elsewhere, so nothing that happens in here can make a wrong answer right.
"""

import ast
import builtins
import contextlib
import importlib
import inspect
import linecache
import os
import signal
import sys
import types
import warnings

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import isolation  # noqa: E402

sys.path.pop(0)

TELLING = {
    "subprocess.Popen": "started another program",
    "os.system": "started another program",
    "os.exec": "started another program",
    "os.posix_spawn": "started another program",
    "os.fork": "started another process",
    "os.forkpty": "started another process",
    "os.kill": "sent a signal",
    "os.killpg": "sent a signal",
    "socket.connect": "reached for the network",
    "socket.sendto": "reached for the network",
    "socket.getaddrinfo": "reached for the network",
    "socket.gethostbyname": "reached for the network",
}
WRITING = {  # event: which of its arguments are paths, and which one is the folder that they are relative to
    "os.remove": ((0,), 1),
    "os.rmdir": ((0,), 1),
    "os.mkdir": ((0,), 2),
    "os.rename": ((0, 1), 2),
    "os.link": ((0, 1), 2),
    "os.symlink": ((1,), 2),
    "os.truncate": ((0,), None),
    "os.chmod": ((0,), 2),
    "os.chown": ((0,), 3),
    "shutil.rmtree": ((0,), None),
}
SOLUTIONS = "reached for medtutor.exercises, where the solutions are"
OUTSIDE = "wrote outside its folder"
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class Worker:
    """Answers the judge's messages until there are no more."""

    def __init__(self, inward, outward):
        self.inward, self.outward = inward, outward
        self.space = {"__name__": "__main__", "__builtins__": builtins}
        self.function = None
        self.told = []
        self.printed = Printed()
        self.home = os.getpid()

    def send(self, *message):
        if os.getpid() == self.home:
            wire.write(self.outward, list(message))

    def serve(self):
        while (message := wire.read(self.inward)) is not None:
            what, *parts = message
            self.send(*getattr(self, f"do_{what}")(*parts))

    def do_define(self, cells, name):
        """Run the statements of [cell's name, its text, indices of its statements]; -> the signature."""
        for cell, text, places in cells:
            linecache.cache[cell] = (len(text), None, text.splitlines(keepends=True), cell)
            body = ast.parse(text).body
            module = ast.Module([body[place] for place in places], [])
            outcome = self.guarded(lambda module=module, cell=cell: self.execute(module, cell))
            if outcome[0] == "error":
                return "undefined", cell, *outcome[1:], self.told
        self.function = self.space.get(name)
        if not callable(self.function):
            return "undefined", "", "TypeError", [], f"{name} is not a function", "", self.told
        return "defined", signature(self.function)

    def execute(self, module, cell):
        exec(compile(module, cell, "exec"), self.space)

    def do_call(self, number, args, options):
        """Call the function; -> number, what came, what it printed, inputs that it changed."""
        args_now = [wire.decode(each) for each in args]
        options_now = {name: wire.decode(each) for name, each in options.items()}
        outcome = self.guarded(lambda: wire.encode(settled(self.function(*args_now, **options_now))))
        changed = {}
        for place, before in [*enumerate(args), *options.items()]:
            now = args_now[place] if isinstance(place, int) else options_now[place]
            with contextlib.suppress(Exception):
                if (after := wire.encode(now)) != before:
                    changed[str(place)] = after
        return "came", number, outcome, self.printed.take(), changed, self.told

    def guarded(self, work):
        try:
            return "answer", work()
        except BaseException as error:  # SystemExit too
            if os.getpid() != self.home:
                os._exit(0)
            kind = type(error)
            kinds = [each.__name__ for each in kind.__mro__ if each.__module__ == "builtins"]
            return "error", kind.__name__, kinds, said(error), self.line_of(error.__traceback__)
        finally:
            if os.getpid() != self.home:  # a student's fork came back
                os._exit(0)

    def line_of(self, trace):
        steps = []
        while trace is not None:
            if trace.tb_frame.f_globals is self.space:
                steps.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
            trace = trace.tb_next
        return in_words(*steps[-1]) if steps else ""

    def where(self, _, frame):
        """Signal handler: tell the judge, who is about to end this process, the line that it is at."""
        while frame is not None and frame.f_globals is not self.space:
            frame = frame.f_back
        self.send("at", in_words(frame.f_code.co_filename, frame.f_lineno) if frame else "")

    def watch(self, folder, hidden):
        """Audit hook: remember what a student's code reached for, and refuse what it must not have."""
        home = os.path.realpath(folder)

        def hook(event, arguments):
            note = TELLING.get(event)
            if event == "import" and str(arguments[0]).startswith(("medtutor.exercises", "medtutor.course")):
                note = SOLUTIONS
            elif event == "open":
                writes = isinstance(arguments[2], int) and arguments[2] & WRITES
                note = self.reached(arguments[0], writes, home, hidden)
            elif event in WRITING:
                paths, folder = WRITING[event]
                notes = [self.reached(arguments[place], True, home, hidden) for place in paths]
                note = next(filter(None, notes), None)
                if folder is not None and arguments[folder] not in (-1, None):
                    note = OUTSIDE  # or not: it cannot be told
            if note:
                if note not in self.told and len(self.told) < 20:
                    self.told.append(note)
                if "process" not in note:  # how many there are is limited
                    raise PermissionError(f"refused while grading: it {note}")

        sys.addaudithook(hook)

    def reached(self, path, writes, home, hidden):
        """The note on an opened or changed file, None where it is theirs."""
        if not isinstance(path, (str, bytes)):
            return None  # a file that is open already
        path = os.path.realpath(os.fsdecode(path))
        if any(path == each or path.startswith(each + os.sep) for each in hidden):
            return SOLUTIONS
        inside = path == os.devnull or path.startswith(home + os.sep)
        return OUTSIDE if writes and not inside else None


class Printed:
    """Takes what is printed, and keeps the beginning."""

    encoding = "utf-8"

    def __init__(self):
        self.text = ""

    def write(self, text):
        if len(self.text) < 200:
            self.text += str(text)[: 200 - len(self.text)]
        return len(text)

    def flush(self):
        pass

    def take(self):
        text, self.text = self.text, ""
        return text


def settled(answer):
    """As in the notebook's check: arrays of other libraries become numpy's, the rest stays what it is."""
    import numpy as np

    if isinstance(answer, np.generic) or np.isscalar(answer):
        return answer
    if hasattr(answer, "__array__") and not isinstance(answer, type):
        return np.array(answer)[()]
    if type(answer) in (list, tuple):
        return type(answer)(settled(part) for part in answer)
    return answer


def said(error):
    try:
        return str(error)[:2000]
    except BaseException:
        return ""


def in_words(cell, number):
    text = linecache.getline(cell, number).strip()
    return f"line {number}: {text}"[:300] if text else f"line {number}"


def signature(function):
    """[[name, kind, has a default, the default in words]], None where a function does not tell."""
    try:
        parameters = inspect.signature(function).parameters.values()
        return [
            [each.name, int(each.kind), each.default is not each.empty, repr(each.default)[:50]]
            for each in parameters
        ]
    except (TypeError, ValueError):
        return None
    except Exception:
        return None


def main():
    inward, outward = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    # The first line says how to start; it is plain JSON, as numpy, which `wire` needs, is not there yet.
    import json

    told = json.loads(inward.readline())
    isolation.die_with_parent()
    apart = isolation.separate()
    if "processes" in apart:
        child = os.fork()
        if child:
            look_after(child, inward, outward)
    work(told, apart, inward, outward)


def look_after(child, inward, outward):
    """Wait for the process that does the work, hand on the judge's question where it is, end as it ends."""
    inward.close()
    outward.close()
    signal.signal(signal.SIGUSR1, lambda *_: os.kill(child, signal.SIGUSR1))
    while True:
        with contextlib.suppress(InterruptedError):
            _, status = os.waitpid(child, 0)
            break
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def work(told, apart, inward, outward):
    global wire
    isolation.die_with_parent()
    folder, hidden = told["folder"], told["hidden"]
    free = 0 if "processes" in apart else isolation.tasks()
    if "processes" in apart:
        isolation.make_small(folder)
    sys.path[:] = [told["here"], *told["path"]]
    wire = importlib.import_module("wire")  # and numpy with it
    sys.path.pop(0)
    if isolation.confine_files(folder, isolation.readable(told["readable"], hidden)):
        apart.add("files")
    isolation.give_up_rights(folder)
    isolation.limit(told["cpu"], free + told["processes"])
    warnings.simplefilter("ignore")
    for name in told["modules"]:
        with contextlib.suppress(BaseException):
            importlib.import_module(name)
    isolation.limit_memory(told["memory"])
    worker = Worker(inward, outward)
    sys.stdout = sys.stderr = worker.printed
    sys.stdin = None
    if hasattr(signal, "SIGUSR1"):
        signal.signal(signal.SIGUSR1, worker.where)
    worker.watch(folder, hidden)
    worker.send("ready", sorted(apart))
    worker.serve()


if __name__ == "__main__":
    # Under another name than __main__, which stands for the student's notebook.
    own = sys.modules.pop("__main__")
    sys.modules["__main__"] = types.ModuleType("__main__")
    sys.modules["grading_worker"] = own
    main()
    os._exit(0)
