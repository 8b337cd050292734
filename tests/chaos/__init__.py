"""A chaos campaign: random scenarios against a program that must lose no committed row, and touch no stranger's database.

    python -m tests.chaos --minutes 10 --seed 1     everything, for ten minutes
    python -m tests.chaos --seed 1 --case 17        one case again, alone
    python -m tests.chaos --only lies               one kind; --list shows all scenarios

stages.py      the project that the scenarios work on, and what its rows must be at each stage
servers/       the servers as the oracle sees them: drivers and catalogues, nothing of the program
commands.py    the program's commands as processes, killed or on a terminal
hook/          what a driven process does at a chosen point: end, or have something happen
proxy.py       a connection that ends after so many bytes
knowledge.py   what is made once: the project's history, the schemas of its stages
world.py       what one scenario acts in: databases, users, folders, strangers; watched, and removed at the end
oracle.py      what must be true afterwards
kinds/         the scenarios
registry.py    all scenarios, and the order in which a seed draws them
campaign.py    playing them, and the table at the end
holes.py       faults that the program once had, to be put back: the campaign must find each
"""
