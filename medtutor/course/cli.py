"""The command line, `medtutor` or `python -m medtutor`: one word for each thing a maintainer does."""

import argparse
import difflib
import importlib
import sys
import textwrap

from medtutor.course.build import ROOT, BuildError

SUMMARIES = {
    "build": "run chapter sources and store the notebooks; --check compares without running",
    "time": "measure how long chapters run and store it in notebooks/measured.json",
    "validate": "run notebooks again and compare every output with the stored one",
    "lint": "look over the stored notebooks without running them",
    "portability": "validate under other arithmetic, locales, folders, Pythons; record how far numbers move",
    "upgrade": "run chapters with the newest packages and print which numbers moved",
    "rehearse": "do what a newcomer does in a fresh clone and a browser, and write a report",
    "faults": "plant faults in a copy and list which the tests and notebooks catch",
    "study": "run long experiments and keep their results; --check finds stale ones",
    "data": "list, fetch and verify the published sets; keep the manifest of shipped files",
    "new": "make the skeleton of a chapter, which builds and passes the lint as it is",
    "present": "show a chapter as slides in the browser, or in JupyterLab in large letters",
    "instructor": "write a chapter with solutions, usual mistakes, hints, speaker notes and minute marks",
    "plan": "print the lesson plans of chapters, 45 and 90 minutes",
    "site": "write the chapters that are ready as pages with a search, to be read offline without Python",
    "grade": "run the exercises of notebooks that were handed in, into a table and a page a student",
}


def main(argv=None, root=ROOT):
    """Run one command; returns its exit code: 0 all well, 1 something found, 2 not understood.

    argv  the words behind `medtutor`, default those of this process
    root  the checkout whose chapters are meant
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    name = words.pop(0)
    if name == "--version":
        from medtutor import __version__

        print(f"medtutor {__version__}")
        return 0
    if name not in SUMMARIES:
        print(_unknown(name), file=sys.stderr)
        return 2
    try:
        return (OWN[name](words, root) if name in OWN else _elsewhere(name, words)) or 0
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(_missing(name, error), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"medtutor {name} was interrupted", file=sys.stderr)
        return 130


def _help():
    lines = [f"  {name:<13}{summary}" for name, summary in SUMMARIES.items()]
    return "\n".join(
        [
            "usage: medtutor COMMAND [...]     (python -m medtutor is the same)",
            "",
            *lines,
            "",
            "medtutor COMMAND --help explains a command with an example, e.g.  medtutor build --help",
        ]
    )


def _unknown(name):
    near = difflib.get_close_matches(name, SUMMARIES, 1)
    guess = f"; did you mean {near[0]!r}?" if near else ""
    return f"medtutor has no command {name!r}{guess}\nIt has: {', '.join(SUMMARIES)}"


def _missing(name, error):
    if (error.name or "").startswith("medtutor"):
        return f"medtutor {name} is not there: this copy of the project has no module {error.name}"
    return (
        f"medtutor {name} needs the Python package {error.name!r}, which is not installed in {sys.prefix};\n"
        "install what maintainers use:  python -m pip install -r requirements.lock"
    )


def _parser(name, description, example):
    return argparse.ArgumentParser(
        prog=f"medtutor {name}",
        description=textwrap.dedent(description).strip(),
        epilog="examples:\n" + textwrap.indent(textwrap.dedent(example).strip(), "  "),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


CHAPTERS = "number, slug, name or path of a chapter: 1, convolution, 01_convolution; default all"


def _build(words, root):
    parser = _parser(
        "build",
        """
        Turn notebooks/source/NN_slug.py into notebooks/NN_slug.ipynb: read the cells, put in the exercises'
        stubs, run everything in a fresh kernel, store the notebook with its outputs. A cell that raises,
        writes to stderr or kills its kernel leaves the stored notebook as it was and is named with its line.
        """,
        """
        medtutor build 1            build chapter 1
        medtutor build              build all chapters
        medtutor build --check      say whether sources and notebooks agree; runs nothing
        medtutor build 2 --weights  build chapter 2 and keep what it trained, for MEDTUTOR_FAST=1
        medtutor build --times      put new times (see medtutor time) into the openings; runs nothing
        """,
    )
    parser.add_argument("chapters", nargs="*", metavar="NN", help=CHAPTERS)
    parser.add_argument("--check", action="store_true", help="compare only; exit code 1 where they differ")
    parser.add_argument("--times", action="store_true", help="renew only what the openings say of times")
    parser.add_argument(
        "--weights",
        action="store_true",
        help="keep trained weights in data/fast/NN_slug.npz in place of those there; renews the manifest",
    )
    parser.add_argument(
        "--timeout", type=float, default=300, metavar="S", help="seconds a cell may take (default 300)"
    )
    options = parser.parse_args(words)
    from medtutor.course import build

    if options.check:
        return build.run_check(options.chapters, root)
    if options.times:
        return build.run_times(options.chapters, root)
    return build.run_build(options.chapters, root, options.timeout, weights=options.weights)


def _time(words, root):
    parser = _parser(
        "time",
        """
        Run chapters from a cold kernel, the start of the kernel included, and store the median seconds in
        notebooks/measured.json, from which the openings (medtutor build --times), the course map (medtutor
        build 0), the README (make readme) and the lesson plans take their times. Nothing else should run on
        the machine meanwhile. The notebooks stay as they are.
        """,
        """
        medtutor time               all chapters, three times each
        medtutor time 1 --runs 5    chapter 1, five times
        medtutor time 2 --fast      chapter 2 with stored weights in place of training; stores no time
        """,
    )
    parser.add_argument("chapters", nargs="*", metavar="NN", help=CHAPTERS)
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="how often (default 3)")
    parser.add_argument(
        "--fast", action="store_true", help="load the weights of data/fast, and only print the times"
    )
    options = parser.parse_args(words)
    from medtutor.course import build

    return build.run_time(options.chapters, root, options.runs, fast=options.fast)


def _faults(words, root):
    parser = _parser(
        "faults",
        """
        Apply each fault of tests/faults/NN_slug.toml to a copy of the checkout, run the tests and notebooks
        that should notice, and print which faults were caught and by what. The checkout is not touched.
        Everything is run without a fault first: a test that is red anyway catches nothing. With --by, tests
        and notebooks are tried apart, also where the other has noticed. With --write, the answers are kept in
        tests/faults/caught.json, each as soon as it is there, and README.md gets the table of the shares.
        """,
        """
        medtutor faults --list                         name all faults
        medtutor faults --chapter 1 --only "stride"    those of chapter 1 whose names hold "stride"
        medtutor faults --jobs 2 --json faults.json    all, two at a time, results in a file as well
        medtutor faults --by tests --untried --write   what no test has been tried on, kept as it goes on
        medtutor faults --by notebooks --sample 5 --seed 1 --write     five of each chapter, by chance
        """,
    )
    parser.add_argument(
        "--chapter", metavar="NN", help="faults of this chapter only: 1, convolution, 01_convolution"
    )
    parser.add_argument("--only", metavar="NAME", help="faults whose names hold NAME")
    parser.add_argument("--list", action="store_true", help="name the faults and run nothing")
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="faults at a time, 1 or 2 (default 1)"
    )
    parser.add_argument("--json", metavar="FILE", help="write the table to FILE as well")
    parser.add_argument(
        "--by",
        choices=["tests", "notebooks", "both"],
        help="try the tests, the chapter's notebook, or each of them (default: in turn, until one notices)",
    )
    parser.add_argument(
        "--sample", type=int, metavar="N", help="N faults of each chapter, drawn by --seed (default all)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the sample (default 0)")
    parser.add_argument("--untried", action="store_true", help="leave out what caught.json has an answer for")
    parser.add_argument("--write", action="store_true", help="keep the answers in tests/faults/caught.json")
    options = parser.parse_args(words)
    from medtutor.course import faults

    return faults.run_faults(
        root,
        chapter=options.chapter,
        only=options.only,
        listing=options.list,
        jobs=options.jobs,
        json_file=options.json,
        by=options.by,
        number=options.sample,
        seed=options.seed,
        untried=options.untried,
        write=options.write,
    )


def _new(words, root):
    parser = _parser(
        "new",
        """
        Make the skeleton of a chapter: source, exercises with their test, a planted fault, an entry in
        notebooks/chapters.toml (ready = false). It is a small true chapter that builds in seconds and passes
        the lint; what the author writes anew says REPLACE. A chapter that is planned there keeps its title
        and question. Nothing is overwritten: what is taken is refused before anything is written.
        """,
        """
        medtutor new chapter 13 sepsis
        medtutor new chapter 13 sepsis --title "Sepsis alarms" --question "Who will be septic by tomorrow?"
        """,
    )
    parser.add_argument("what", choices=["chapter"], help="what to make")
    parser.add_argument("number", type=int, metavar="NN", help="its number, 1 to 99")
    parser.add_argument("slug", help="its name in files: small letters, digits, underscores")
    parser.add_argument("--title", help="of the chapter (default: the slug in words)")
    parser.add_argument("--question", help="the clinical question that it answers")
    options = parser.parse_args(words)
    from medtutor.course import new

    return new.run_new(options.number, options.slug, options.title, options.question, root)


def _present(words, root):
    parser = _parser(
        "present",
        """
        Show a chapter as slides: one HTML page, made of the stored notebook without running anything, that
        needs no network. Formulas are drawn by the browser, explorers are live, and ? lists the keys: notes
        with a timer (N, or S for a window of their own), overview, full screen, dark, print to PDF (P).
        Which cells are on the slides is said by tags in notebooks/source/NN_slug.py:

          slide        begins a slide            slide-whole   all paragraphs of a text cell
          slide-on     goes on with it           slide-output  only what a code cell shows
          fragment     goes on at the next key   slide-code    the code of a picture, too
          skip         leaves the cell out       slide-reveal  what a cell shows at the next key
          notes        text for who speaks; minutes=3 beside the tags says how long the slide takes

        Of a text cell a slide shows the heading, the first paragraph, and all formulas, tables and lists up
        to the next heading; of a cell with a picture or an explorer only that.

        With --live a copy of the chapter opens in JupyterLab, one document, in letters for the last row. Your
        own settings of JupyterLab are read and not changed, the chapter is not, either; what you typed into
        the copy last time is kept beside it, in build/present/live.
        """,
        """
        medtutor present 3                        slides of chapter 3, opened in the browser
        medtutor present 3 --out talk.html --no-browser
        medtutor present --live 3                 chapter 3 for coding in front of the room
        medtutor present --live 3 --port 8890     further options go to JupyterLab
        """,
    )
    parser.add_argument("chapter", metavar="NN", help=CHAPTERS.split(";")[0])
    parser.add_argument("--live", action="store_true", help="open it in JupyterLab instead")
    parser.add_argument(
        "--out", metavar="FILE", help="where to write the slides (default build/present/NN_slug.html)"
    )
    parser.add_argument("--no-browser", action="store_true", help="write or serve, and open nothing")
    options, further = parser.parse_known_args(words)
    if further and not options.live:
        parser.error(f"unrecognized arguments: {' '.join(further)}")
    from medtutor.course import present

    if options.live:
        return present.run_live(options.chapter, root, not options.no_browser, further)
    return present.run_present(options.chapter, root, options.out, not options.no_browser)


def _instructor(words, root):
    parser = _parser(
        "instructor",
        """
        Write the instructor's edition of chapters: each stub replaced by its solution, behind each check the
        hints, the usual mistakes with the reply that each gets and how the check judges, the speaker notes of
        the source (text cells with the tag "notes"), and at which minute a section begins, estimated from
        words, lines of code and measured cells. It is made anew from the source each time.
        """,
        """
        medtutor instructor                 all chapters that are ready, into build/instructor
        medtutor instructor 3 --run         chapter 3, executed; exit code 1 if a check is not green
        medtutor instructor 3 --check       say whether all its checks are green, in seconds
        """,
    )
    parser.add_argument("chapters", nargs="*", metavar="NN", help=CHAPTERS.replace("all", "those ready"))
    parser.add_argument("--out", metavar="FOLDER", help="where to write (default build/instructor)")
    parser.add_argument("--run", action="store_true", help="execute the edition and store its outputs")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; run only exercises, checks and what they need"
    )
    options = parser.parse_args(words)
    from medtutor.course import instructor

    return instructor.run_instructor(options.chapters, root, options.out, options.run, options.check)


def _plan(words, root):
    parser = _parser(
        "plan",
        """
        Print lesson plans as markdown: at which minute which section, how long to talk and on what, which
        exercises are solved in the room, which cell runs meanwhile, what is left out, what is left for home.
        They are written in notebooks/plans.toml and checked by the lint: cells and exercises exist, and the
        minutes of talk, exercises and measured cells add up to no more than the lesson has.
        """,
        """
        medtutor plan 3                  both plans of chapter 3
        medtutor plan 3 --minutes 45     the short one
        medtutor plan                    all plans
        """,
    )
    parser.add_argument(
        "chapters", nargs="*", metavar="NN", help=CHAPTERS.replace("all", "those with a plan")
    )
    parser.add_argument("--minutes", type=int, choices=(45, 90), help="of the lesson (default both)")
    options = parser.parse_args(words)
    from medtutor.course import plans

    return plans.run_plan(options.chapters, root, options.minutes)


def _site(words, root):
    parser = _parser(
        "site",
        """
        Write the stored notebooks of all chapters that are ready, and 00_start_here, as static pages: a map
        of the course, a search, contents for each page, formulas, explorers that answer without Python. The
        pages open from the disk and ask nothing of the network. A cell's id is its anchor. Nothing is run,
        and nothing is written where a link leads nowhere, an image has no alt text, or an exercise is
        solved; all such places are listed.
        """,
        """
        medtutor site                   into build/site; open build/site/index.html
        medtutor site --out public      into a folder that is empty or holds an earlier site
        """,
    )
    parser.add_argument("--out", metavar="FOLDER", help="where to write (default build/site)")
    options = parser.parse_args(words)
    from medtutor.course import site

    return site.run_site(root, options.out)


def _grade(words, root):
    parser = _parser(
        "grade",
        """
        Grade the exercises of notebooks that were handed in. Each exercise of each student runs in a fresh
        process, on inputs drawn for this run; what it returns is compared in another process, where no
        student's code runs, by the check of the course. The table has one row a student and one column an
        exercise: right, wrong, not tried (a blank stub), missing (no cell defines it), timeout, error (no
        Python, or it ended its process), unreadable (no notebook). A point for each right one. "notes" says
        what else was seen: a changed check, two definitions, a file that claims more than is so.

        The cell with the exercise's id counts, else the one that defines its function. From the cells above
        come those statements that give a name it needs a value, and what no cell gives comes from the chapter
        itself; nothing else in the notebook is run.

        What isolation promises: nothing that a student's code does can end the run or make a wrong answer
        right by touching the check; it has no environment of yours, an empty folder to work in, and limits
        of time, memory, processes and file size (macOS does not keep to that of memory, Windows has that of
        time only). On Linux with user namespaces (or as root) it has no network
        and all it starts is killed with it; with Landlock (Linux 5.13) it can write nowhere else, and reads
        neither the solutions nor your files outside Python's own folders. What it does not promise: this is
        no sandbox against a determined attacker. On macOS and Windows, and where Linux forbids the above,
        only a hook inside Python guards network and files, which hostile code can get around with your
        rights. Grade strangers' files in a container, a virtual machine, or as a user of their own.
        """,
        """
        medtutor grade submissions/*.ipynb --out grades.csv
        medtutor grade submissions --chapter 1 --reports pages       a page for each student, too
        medtutor grade anna.ipynb --seconds 20 --memory 2048         for a slow machine
        """,
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="notebooks, or folders of them")
    parser.add_argument("--out", default="grades.csv", metavar="FILE", help="the table (default grades.csv)")
    parser.add_argument("--reports", metavar="FOLDER", help="write a page (HTML) for each student")
    parser.add_argument("--chapter", metavar="NN", help="default: the one that most files are of")
    parser.add_argument(
        "--seconds", type=float, default=10, metavar="S", help="for all calls of one function (default 10)"
    )
    parser.add_argument(
        "--memory", type=int, default=1024, metavar="MB", help="for one exercise (default 1024)"
    )
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="students at a time (default 2)")
    parser.add_argument("--seed", type=int, metavar="N", help="draw the inputs of an earlier run again")
    options = parser.parse_args(words)
    from medtutor.course import grade

    return grade.run_grade(root=root, **vars(options))


def _elsewhere(name, words):
    """A command whose module brings its own options."""
    return importlib.import_module(f"medtutor.course.{name}").main(words)


OWN = {
    "build": _build,
    "time": _time,
    "faults": _faults,
    "new": _new,
    "present": _present,
    "instructor": _instructor,
    "plan": _plan,
    "site": _site,
    "grade": _grade,
}
