"""cases.py - the list of cases, in the order of their files and lines."""

all_cases = []  # (file, description, function)


def case(description):
    def register(function):
        all_cases.append((function.__module__, description, function))
        return function

    return register
