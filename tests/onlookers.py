"""What the tests of live panels share: a notebook whose reader looks on, and what it shows."""


class Events(list):
    def register(self, name, function):
        self.append((name, function))

    def unregister(self, name, function):
        self.remove((name, function))


class Shell:
    def __init__(self):
        self.events = Events()


class Place:
    """An output of the notebook: what it holds, and has held."""

    def __init__(self, bundle):
        self.held = [bundle]

    def update(self, bundle, raw):
        self.held.append(bundle)


def standing_clock(monkeypatch, module):
    """[seconds]: a clock for a module that stands until it is set."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def watched_outputs(monkeypatch, training, module):
    """The outputs of a notebook whose reader looks on, as they come: a list of Place.

    training  the module that displays for all panels;  module  that of the panel, which asks who looks on
    """
    shown = []

    def display(bundle, display_id=False):
        shown.append(Place(bundle))
        return shown[-1] if display_id else None

    monkeypatch.setattr(training, "_display", display)
    monkeypatch.setattr(training, "_notebook", Shell)
    monkeypatch.setattr(module, "someone_looks_on", lambda: True)
    return shown
