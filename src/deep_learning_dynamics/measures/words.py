"""How measures and numbers are told in sentences."""

from collections.abc import Sequence

WORDS = {
    "path_length": "path length",
    "displacement": "displacement",
    "straightness": "straightness",
    "turning_angle": "mean turning angle",
    "effective_dimension": "effective dimension",
    "steps_to_50": "steps to 50 % test accuracy",
    "steps_to_80": "steps to 80 % test accuracy",
    "steps_to_90": "steps to 90 % test accuracy",
    "area_under_curve": "mean test accuracy while learning",
    "final_accuracy": "final test accuracy",
    "failed": "failures",
}


def listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}".replace("-", "−")


def p_shown(value: float) -> str:
    return f"{value:.2g}" if value >= 0.0001 else f"{value:.0e}"
