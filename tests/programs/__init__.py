"""Random programs: what they compute must be the same however it is computed.

`program` says what a program is: plain data. `building` draws one, with the operations of the four tables, one row
each; to add an operation, add a row. `drawing` is Hypothesis' strategy, and checks many. `comparison` says with what
a program is compared, to the bounds of `rounding`; `script` prints one that fails.

Nothing that is drawn is thrown away: see `building`.
"""
