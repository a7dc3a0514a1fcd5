"""One invented patient: a disease and its findings, perhaps another, relatives, and what was ruled out."""

from functools import cache
from random import Random

from medtutor.data.notes.table import table

RIVALS = {"Rs": ("symptoms", "s1"), "Rt": ("tests", "t1"), "Rx": ("drugs", "x1"), "Ra": ("sites", "a1")}
TYPE_OF = {
    **dict.fromkeys(("s", "n", "e", "ne", "pe", "oe", "ale"), "symptom"),
    **dict.fromkeys(("x", "o", "p", "al", "ao", "co", "sup"), "drug"),
    **dict.fromkeys(("t", "i", "u", "lab", "m"), "test"),
    **dict.fromkeys(("a", "b", "c"), "anatomy"),
}
STATUS_OF = {
    **dict.fromkeys(("n", "ne"), "absent"),
    "pe": "unrelated",
    "o": "stopped",
    **dict.fromkeys(("p", "co"), "not given"),
    **dict.fromkeys(("al", "ao"), "allergy"),
    **dict.fromkeys(("u", "b", "c"), "normal"),
    "lab": "routine",
}
STATUS_OF_RULED_OUT = {"s": "absent", "x": "not given", "t": "normal"}
OPPOSITE = {
    "weight gain": "weight loss",
    "hypertension": "hypotension",
    "bradycardia": "tachycardia",
    "constipation": "diarrhea",
    "urinary retention": "polyuria",
}
OPPOSITE |= {second: first for first, second in OPPOSITE.items()}
SHARE_HELD = 0.5  # of the test notes whose main disease no other split knows


class Missing(Exception):
    """This patient has nothing for a slot; another frame must be taken."""


class Dice:
    """Random choices from `Random.random` alone, which Python promises to keep the same between versions."""

    def __init__(self, seed):
        self._random = Random(seed).random

    def chance(self, p):
        """True with probability p."""
        return self._random() < p

    def pick(self, items):
        """One of the items."""
        return items[int(self._random() * len(items))]

    def number(self, low, high):
        """A whole number from low to high, both included."""
        return low + int(self._random() * (high - low + 1))

    def shuffled(self, items):
        """The items in random order, as a list."""
        items = list(items)
        for last in range(len(items) - 1, 0, -1):
            other = int(self._random() * (last + 1))
            items[last], items[other] = items[other], items[last]
        return items


class World:
    """The part of the table that a split may speak of."""

    def __init__(self, held):
        whole = table()
        self.rules, self.concepts, self.held = whole.rules, whole.concepts, held
        self.diseases = tuple(d for d in whole.diseases.values() if held or not d.held)
        self.common = tuple(d for d in self.diseases if d.course == "common")
        self.inherited = tuple(d for d in self.diseases if d.family and d.ages[1] > 40)
        self.new = tuple(d for d in self.diseases if d.held)
        self.old = tuple(d for d in self.diseases if not d.held)
        self._sharing = {}
        for disease in self.diseases:
            for key in ("symptoms", "tests", "drugs", "sites"):
                for name in self.known(disease, key):
                    self._sharing.setdefault((key, name), []).append(disease)

    @cache  # noqa: B019 - there are two worlds, for the life of the process
    def known(self, disease, key):
        """The row's symptoms, drugs, tests or sites of which this split has names."""
        kind = {"symptoms": "symptom", "drugs": "drug", "tests": "test", "sites": "anatomy"}[key]
        return tuple(name for name in getattr(disease, key) if self.names(kind, name))

    def names(self, kind, name):
        """Whether there is any name for the concept here."""
        return self.held or bool(self.concepts[kind, name].forms["en"])

    def sharing(self, key, name):
        """The diseases that have this symptom, test, drug or site in their row."""
        return self._sharing.get((key, name), ())

    @cache  # noqa: B019
    def words(self, kind, name):
        """All names of a concept in both languages."""
        concept = self.concepts[kind, name]
        return frozenset().union(*concept.forms.values(), *concept.held.values())

    @cache  # noqa: B019
    def beside(self, main):
        """The common diseases that somebody with `main` may also have, and be treated for."""
        if main.name in self.rules.lists["alone"]:
            return ()
        return tuple(other for other in self.common if self._together(main, other))

    def _together(self, main, other):
        if other is main or other.name in self.rules.apart.get(main.name, ()):
            return False
        if not set(main.drugs) - other.avoid or not set(other.drugs) - main.avoid:
            return False
        return not any(self.named(s, d) for d, o in ((main, other), (other, main)) for s in o.symptoms)

    @cache  # noqa: B019
    def named(self, symptom, disease):
        """Whether a symptom and a disease share a name, as hypertension is both."""
        return bool(self.words("symptom", symptom) & self.words("disease", disease.name))


@cache
def world(held):
    """The World with or without what is held out for the test split."""
    return World(held)


class Patient:
    """Who the patient is and, slot by slot, what the sentences name; they never contradict each other."""

    def __init__(self, world, dice):
        self.world, self.dice = world, dice
        self.concepts = {}  # (owner, role): (type, name, side)
        self.claims = {}  # (type, name, side): status
        self.diseases = {}  # owner: Disease
        self._meet()
        self._fall_ill()

    def _meet(self):
        dice, world = self.dice, self.world
        main = dice.pick(world.new if world.held and dice.chance(SHARE_HELD) else world.old)
        self.main = self.diseases["D"] = main
        self.sex = main.sex if main.sex != "any" else dice.pick("fm")
        self.age = dice.number(*main.ages)
        self.known = main.course in ("chronic", "common") and dice.chance(0.6)
        others = [d for d in world.beside(main) if d.suits(self.sex, self.age)]
        if others and dice.chance(0.85):
            self.diseases["C"] = dice.pick(others)

    def possible(self, symptom):
        """Whether somebody of this sex and age can have it."""
        lists = self.world.rules.lists
        if symptom in lists["female" if self.sex == "m" else "male"]:
            return False
        if symptom in lists["fertile"] and not 14 <= self.age <= 50:
            return False
        return symptom not in lists["adult"] or self.age >= 18

    def _fall_ill(self):
        self.present = set()
        self._symptoms("D", 3)
        self._drugs("D")
        if "C" in self.diseases:
            self._symptoms("C", 1)
            self._drugs("C")
        self._effects()
        self._absent()
        self._tests("D")
        self._sites()
        self._allergy()
        self._level()
        self._relative()
        self._lists()

    def _put(self, owner, role, names):
        kind = TYPE_OF[role]
        for number, name in enumerate(names, 1):
            self.concepts[owner, f"{role}{number}"] = (kind, name, "")

    def _symptoms(self, owner, count):
        names = self.world.known(self.diseases[owner], "symptoms")
        drawn = self.dice.shuffled(name for name in names if self.possible(name) and not self._clashes(name))
        self._put(owner, "s", drawn[:count])
        self.present.update(drawn[:count])

    def _clashes(self, symptom):
        """Whether the opposite is present, or a disease of the patient's bears the same name."""
        if symptom in self.present:
            return True
        return OPPOSITE.get(symptom) in self.present

    def _drugs(self, owner):
        world, dice = self.world, self.dice
        disease, other = self.diseases[owner], self.diseases.get("C" if owner == "D" else "D")
        avoid = other.avoid if other else frozenset()
        taken = {name for (_, role), (_, name, _) in self.concepts.items() if role == "x1"}
        names = [n for n in dice.shuffled(world.known(disease, "drugs")) if n not in avoid and n not in taken]
        if owner == "C" or self.known:  # at home
            names.sort(key=lambda name: name in world.rules.lists["ward"])
        self._put(owner, "x", names[:1])
        if owner == "D" and names:
            self._put("D", "o" if self.known else "p", names[1:2])
            self._put("D", "p" if self.known else "o", names[2:3])
            self._put("D", "co", [n for n in world.known(disease, "drugs") if n in avoid][:1])
            near = world.rules.classes.get(names[0], frozenset(names[:1]))
            near = near | frozenset(disease.drugs) - world.rules.instead.get(names[0], frozenset())
            allergens = [n for n in disease.drugs if n in world.rules.lists["allergens"] and n not in near]
            self._put("D", "ao", [n for n in allergens if n in names or n in avoid][:1])

    def _effects(self):
        """Of {x1} one adverse effect that came; another that did not, or that was there before the drug."""
        for drug, came in (("x1", "e"), ("o1", "oe")):
            if ("D", drug) not in self.concepts:
                continue
            effects = self.world.concepts["drug", self.name("D", drug)].effects
            effects = [e for e in self.dice.shuffled(effects) if self.possible(e) and not self._like(e)]
            if drug == "o1" or (self.dice.chance(0.7) and self.known):
                self._put("D", came, effects[:1])
            if drug == "x1":
                others = [
                    e for e in effects if ("D", "e1") not in self.concepts or not self._near(e, effects[0])
                ]
                self._put("D", "pe" if self.dice.chance(0.2) and self.known else "ne", others[:1])
        self.present |= {self.name("D", role) for role in ("e1", "pe1") if ("D", role) in self.concepts}

    def _near(self, symptom, other):
        return other in self.world.rules.alike.get(symptom, (symptom,))

    def _like(self, symptom):
        """Whether it, or something much like it, is there already, be it by the name of a disease."""
        if not self.world.names("symptom", symptom) or self._clashes(symptom):
            return True
        if any(self.world.named(symptom, self.diseases[o]) for o in ("D", "C") if o in self.diseases):
            return True
        return bool(self.present & self.world.rules.alike.get(symptom, frozenset((symptom,))))

    def _absent(self):
        effects = {self.name("D", role) for role in ("ne1", "oe1") if ("D", role) in self.concepts}
        own = self.dice.shuffled(self.world.known(self.main, "symptoms"))
        rivals = self.world.sharing("symptoms", self.name("D", "s1"))
        more = self.world.known(self.dice.pick(rivals), "symptoms")
        names = [n for n in dict.fromkeys((*own, *more)) if self.possible(n) and not self._like(n)]
        self._put("D", "n", [n for n in names if not any(self._near(n, e) for e in effects)][:2])

    def _tests(self, owner):
        surest, *others = self.world.known(self.diseases[owner], "tests")
        others = self.dice.shuffled(others)
        count = 0 if len(others) == 1 and self.dice.chance(0.5) else 1
        self._put(owner, "t", self.dice.shuffled((surest, *others[:count])))
        self._put(owner, "u", others[count : count + 1])
        shown = [self.name(owner, role) for role in ("t1", "t2") if (owner, role) in self.concepts]
        self._put(owner, "i", [name for name in shown if name in self.world.rules.lists["imaging"]][:1])

    def _sites(self):
        sites = self.dice.shuffled(self.world.known(self.main, "sites"))
        if sites:
            sided = self.world.concepts["anatomy", sites[0]].sides
            left, right = self.dice.shuffled(("left", "right"))
            self.concepts["D", "a1"] = ("anatomy", sites[0], left if sided else "")
            if sided:
                self.concepts["D", "c1"] = ("anatomy", sites[0], right)
            elif len(sites) > 1 and not self.world.concepts["anatomy", sites[1]].sides:
                self.concepts["D", "c1"] = ("anatomy", sites[1], "")
        ill = {site for d in self.diseases.values() for site in d.sites}
        healthy = [s for s in self.world.rules.lists["examined"] if s not in ill]
        name = self.dice.pick(healthy)
        side = self.dice.pick(("left", "right")) if self.world.concepts["anatomy", name].sides else ""
        self.concepts["D", "b1"] = ("anatomy", name, side)

    def _allergy(self):
        rules = self.world.rules
        taken = {n for (_, role), (kind, n, _) in self.concepts.items() if kind == "drug" and role != "ao1"}
        near = taken.union(*(rules.classes.get(name, ()) for name in taken))
        free = [a for a in rules.lists["allergens"] if a not in near and self.world.names("drug", a)]
        if ("D", "ao1") in self.concepts:
            free = [self.name("D", "ao1")]
        if free:
            self._put("D", "al", [self.dice.pick(free)])
            effects = self.world.concepts["drug", self.name("D", "al1")].effects
            self._put("D", "ale", [e for e in effects if e == "rash" and not self._like(e)])

    def _level(self):
        taken = [self.name(owner, "x1") for owner in ("D", "C") if (owner, "x1") in self.concepts]
        self._put("D", "m", [name for name in taken if name in self.world.rules.lists["levels"]][:1])

    def _relative(self):
        """A disease in the family, and a relative of the right sex and a likely age."""
        generation = 28
        elder = self.age + generation
        self.kin = None
        here = set(self.diseases.values())
        for _ in range(8):
            disease = self.dice.pick(self.world.inherited)
            sex = disease.sex if disease.sex != "any" else self.dice.pick("fm")
            parent = elder <= 88 and disease.ages[0] <= elder
            sibling = self.age >= 20 and disease.suits(sex, self.age)
            if disease in here or not (parent or sibling):
                continue
            kind = "parent" if parent and (not sibling or self.dice.chance(0.6)) else "sibling"
            self.kin = (kind, sex)
            self.kin_age = self.dice.number(
                disease.ages[0], min(disease.ages[1], elder if parent else self.age)
            )
            self.diseases["F"] = disease
            for key, role in (("symptoms", "s"), ("drugs", "x"), ("tests", "t")):
                names = self.world.known(disease, key)
                if names:
                    self._put("F", role, [self.dice.pick(names)])
            return

    def _lists(self):
        rules, avoid = self.world.rules, self.main.avoid | self.diseases.get("C", self.main).avoid
        checked = {test for o in ("D", "C") if o in self.diseases for test in self.diseases[o].tests}
        taken = {n for kind, n, _ in self.concepts.values() if kind == "drug"}
        labs = [t for t, with_ in rules.routine.items() if t not in checked and not with_ & self.present]
        self.labs = self.dice.shuffled(labs)
        sups = [s for s in rules.lists["supplements"] if s not in avoid and s not in taken]
        self._put("D", "sup", self.dice.shuffled(sups)[:3])

    def name(self, owner, role):
        """English name of what stands for a role."""
        return self.concepts[owner, role][1]

    def rival(self, owner):
        """A disease that was thought of and ruled out; for "Rs" it shares the symptom {s1}, and so on."""
        key, role = RIVALS.get(owner, ("symptoms", "s1"))
        if ("D", role) not in self.concepts:
            raise Missing(role)
        taken = {d.name for d in self.diseases.values()}
        ill = [self.name("D", s) for s in ("s1", "s2", "s3") if ("D", s) in self.concepts]
        names = ill if owner in ("R", "Q") else [self.name("D", role)]
        found = {d.name: d for name in names for d in self.world.sharing(key, name)}
        found = [d for d in found.values() if d.name not in taken and self._could_have(d)]
        enough = 2 if key == "symptoms" else 1
        likely = [d for d in found if len(set(ill) & set(d.symptoms)) >= enough]
        if owner in ("R", "Q"):
            vague = self.world.rules.lists["vague"]
            found = [d for d in found if d in likely or any(s in d.symptoms and s not in vague for s in ill)]
        if not found:
            raise Missing(owner)
        disease = self.diseases[owner] = self.dice.pick(
            likely if likely and self.dice.chance(0.85) else found
        )
        denied = {self.name("D", n) for n in ("n1", "n2") if ("D", n) in self.concepts}
        absent = [s for s in self.world.known(disease, "symptoms") if self.possible(s) and not self._like(s)]
        absent = [s for s in absent if s not in denied]
        self._put(owner, "s", [self.dice.pick(absent)] if absent else [])
        tests = {n for kind, n, _ in self.concepts.values() if kind == "test"}
        drugs = {n for kind, n, _ in self.concepts.values() if kind == "drug"}
        self._put(owner, "t", [t for t in self.world.known(disease, "tests") if t not in tests][:1])
        if disease.course != "subacute":
            heavy = (*self.world.rules.lists["ward"], *self.world.rules.lists["heavy"], *drugs)
            self._put(owner, "x", [x for x in self.world.known(disease, "drugs") if x not in heavy][:1])

    def _could_have(self, disease):
        if not disease.suits(self.sex, self.age):
            return False
        return not any(self.world.named(symptom, disease) for symptom in self.present)

    def entity(self, slot):
        """(type, name, side, status) for a slot; Missing where there is none or where it would contradict."""
        owner, role = slot.owner, slot.role
        if owner not in self.diseases:
            if owner in ("C", "F"):
                raise Missing(owner)
            self.rival(owner)
        if role.startswith("lab"):
            concept = ("test", self._lab(int(role[3:])), "")
        elif role == owner:
            concept = ("disease", self.diseases[owner].name, "")
        elif (owner, role) in self.concepts:
            concept = self.concepts[owner, role]
        else:
            raise Missing(role)
        status = slot.status or status_of(owner, role)
        if status not in ("family", "possible") and self.claims.get(concept, status) != status:
            raise Missing(role)
        return (*concept, status)

    def _lab(self, number):
        """The number-th routine test that no earlier sentence has spoken of."""
        free = [name for name in self.labs if ("test", name, "") not in self.claims]
        if len(free) < number:
            raise Missing("lab")
        return free[number - 1]

    def claim(self, entities):
        """Note what a sentence has said, so that no later one says the opposite."""
        for *concept, status in entities:
            if status not in ("family", "possible"):
                self.claims[tuple(concept)] = status


def status_of(owner, role):
    """What the slot says of its entity where the frame does not say otherwise."""
    kind = role.rstrip("0123456789")
    if owner == "F":
        return "family"
    if owner in ("D", "C"):
        return STATUS_OF.get(kind, "present")
    return "ruled out" if role == owner else STATUS_OF_RULED_OUT[kind]
