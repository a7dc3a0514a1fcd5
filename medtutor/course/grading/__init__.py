"""Grading what students hand in: their code runs in one process, what it returns is judged in another.

submission   which cells of a notebook answer which exercise; reads, never runs
judge        trusted: draws the inputs, asks the worker, compares its answers with the solution's
wire         values as JSON between the two; nothing is ever unpickled
worker       not trusted: the fresh process that runs one exercise of one student
isolation    what that process is denied: network, memory, files, other processes
report       the table for the teacher and a page for each student
"""
