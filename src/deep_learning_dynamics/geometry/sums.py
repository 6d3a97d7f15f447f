"""What adds up over weights: inner products of moves, and squared distances between networks."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int

from deep_learning_dynamics.geometry.networks import Networks
from deep_learning_dynamics.store import schema

Block = Float[np.ndarray, "network snapshot weight"]

FELLOWS = 20  # distances within a larger group are those to its first 20 networks


@dataclass(frozen=True)
class Relation:
    """Two networks whose distance is measured, at the snapshots that both have at one step."""

    one: int
    other: int
    kind: str  # "pair" or "twin"
    ours: Int[np.ndarray, " common"]  # snapshots of the one
    theirs: Int[np.ndarray, " common"]


@dataclass(frozen=True)
class Compared:
    """Which networks of a store are compared."""

    networks: Networks
    relations: list[Relation]
    groups: list[Int[np.ndarray, " _"]]  # without twins and networks that diverged
    apart: Int[np.ndarray, " _"]  # whose ends are compared: not twins

    @classmethod
    def of(cls, networks: Networks) -> "Compared":
        snapshots, steps = networks.snapshots, networks.steps
        relations = []
        for one, other, kind in (*networks.partners(), *networks.twins()):
            taken = [steps[each, snapshots[each]] for each in (one, other)]
            _, ours, theirs = np.intersect1d(*taken, return_indices=True)
            common = snapshots[one][ours], snapshots[other][theirs]
            relations.append(Relation(one, other, kind, *common))
        alive = (networks.table[schema.OUTCOME] != schema.DIVERGED).to_numpy() & ~networks.twin
        alive &= np.array([len(kept) > 0 for kept in snapshots], bool)
        groups = [np.array(group) for group in networks.together(alive) if len(group) > 1]
        return cls(networks, relations, groups, np.flatnonzero(~networks.twin))


@dataclass(frozen=True)
class Sums:
    """Sums over weights, to which some columns are added at a time."""

    compared: Compared
    products: list[Float64[np.ndarray, "_ _"]]  # of each network, [move, move]
    related: list[Float64[np.ndarray, " _"]]  # of each relation, at common snapshots
    within: list[Float64[np.ndarray, "_ _ _"]]  # of each group, [snapshot, network, fellow]
    ends: Float64[np.ndarray, "network network"]  # squared distances
    displacements: Float64[np.ndarray, "network network"]  # inner products

    @classmethod
    def nothing(cls, compared: Compared) -> "Sums":
        moves = [max(len(kept) - 1, 0) for kept in compared.networks.snapshots]
        snapshots, apart = compared.networks.steps.shape[1], len(compared.apart)
        sizes = [(snapshots, len(group), min(len(group), FELLOWS)) for group in compared.groups]
        return cls(
            compared,
            [np.zeros((count, count)) for count in moves],
            [np.zeros(len(relation.ours)) for relation in compared.relations],
            [np.zeros(size) for size in sizes],
            np.zeros((apart, apart)),
            np.zeros((apart, apart)),
        )

    def add(self, other: "Sums") -> None:
        for mine, its in zip(self._arrays(), other._arrays(), strict=True):
            mine += its

    def _arrays(self) -> list[np.ndarray]:
        return [*self.products, *self.related, *self.within, self.ends, self.displacements]

    def add_weights(self, weights: Block) -> None:
        """Add some columns of the weights of all networks."""
        from deep_learning_dynamics.geometry.fixed_order import add_products, add_squared_distances

        for path, kept, sums in zip(
            weights, self.compared.networks.snapshots, self.products, strict=True
        ):
            add_products(_columns(np.diff(path[kept].astype(np.float64), axis=0)), sums)
        for pair, sums in zip(self.compared.relations, self.related, strict=True):
            ours, theirs = weights[pair.one, pair.ours], weights[pair.other, pair.theirs]
            apart = ours.astype(np.float64) - theirs
            sums += np.einsum("sw,sw->s", apart, apart)
        for group, sums in zip(self.compared.groups, self.within, strict=True):
            for snapshot, of_snapshot in enumerate(sums):
                add_squared_distances(_columns(weights[group, snapshot]), of_snapshot)
        first, last = (_ends(weights, self.compared, which) for which in (0, -1))
        add_squared_distances(_columns(last), self.ends)
        add_products(_columns(last - first), self.displacements)


def _ends(weights: Block, compared: Compared, which: int) -> Float64[np.ndarray, "compared weight"]:
    """The first (0) or last (-1) snapshot of the networks whose ends are compared."""
    ends = np.full((len(compared.apart), weights.shape[2]), np.nan)
    for place, network in enumerate(compared.apart):
        if len(kept := compared.networks.snapshots[network]):
            ends[place] = weights[network, kept[which]]
    return ends


def _columns(rows: Float[np.ndarray, "vector weight"]) -> Float64[np.ndarray, "weight vector"]:
    return np.ascontiguousarray(rows.T, np.float64)
