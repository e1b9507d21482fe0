"""What tools/bench runs. A module has TEXTS, the name of each of its benches and what that measures, and

    bench(names, options) -> results, rows

which runs those of its names that are wanted, at once where one run serves several: results are what lab.result() makes, for --json and the table;
rows are for people, the first one is the head. GOALS, if there is one: the name of a result and what it should be, as text."""
