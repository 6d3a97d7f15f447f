"""Names for runs that a person can say, the same for the same experiment."""

# fmt: off
ADJECTIVES = (
    "amber", "brave", "bright", "brisk", "calm", "clear", "clever", "coral", "crisp", "curious",
    "dapper", "deft", "eager", "early", "fair", "fleet", "fresh", "gentle", "glad", "golden",
    "happy", "hazel", "honest", "humble", "jolly", "keen", "kind", "lilac", "little", "lively",
    "loyal", "lucid", "lucky", "mellow", "merry", "mild", "misty", "modest", "neat", "nimble",
    "noble", "olive", "patient", "placid", "plain", "polite", "proud", "quick", "quiet",
    "rapid", "rosy", "sage", "serene", "silver", "sleek", "snowy", "solid", "steady", "sunny",
    "swift", "tidy", "vivid", "warm", "wise",
)
ANIMALS = (
    "badger", "bear", "beaver", "bison", "bobcat", "camel", "caribou", "cat", "cod", "crane",
    "cricket", "crow", "deer", "dolphin", "dove", "duck", "eagle", "egret", "elk", "falcon",
    "ferret", "finch", "fox", "frog", "gecko", "goose", "grouse", "hare", "hawk", "heron",
    "ibex", "jackal", "jay", "kestrel", "kite", "koala", "lark", "lemur", "lion", "lizard",
    "lynx", "magpie", "marmot", "marten", "mole", "moose", "newt", "otter", "owl", "panda",
    "pelican", "perch", "plover", "puffin", "quail", "rabbit", "raven", "robin", "salmon",
    "seal", "shrew", "sparrow", "stork", "swan",
)
# fmt: on


def run_name(fingerprint: str) -> str:
    """Two words and three digits from a fingerprint in hexadecimal: ``quiet-otter-042``."""
    number, adjective = divmod(int(fingerprint, 16), len(ADJECTIVES))
    number, animal = divmod(number, len(ANIMALS))
    return f"{ADJECTIVES[adjective]}-{ANIMALS[animal]}-{number % 1000:03d}"
