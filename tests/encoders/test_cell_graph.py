"""Cell graphs: each measure against brute force or networkx, and what few or odd cells do to them."""

import networkx as nx
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial import Voronoi, distance_matrix

from phenolens.core.errors import EncoderError
from phenolens.datasets import Cells
from phenolens.encoders import create_encoder
from phenolens.encoders.cell_graph import STEPS, build_graph, marks, positions
from phenolens.encoders.cell_graph.encoder import Structure, cells_of
from phenolens.encoders.cell_graph.pairs import RADII, close_pairs, ripley


def random_cells(n=60, seed=0, side=100.0, types=3):
    rng = np.random.default_rng(seed)
    place = rng.uniform(0, side, (n, 2))
    return Cells(place, (side, side), rng.normal(size=(n, 2)), rng.integers(0, types, n))


def as_networkx(graph):
    result = nx.Graph()
    result.add_nodes_from(range(graph.n))
    result.add_edges_from(graph.edges.tolist())
    return result


def brute_delaunay(place):
    """Edges of triangles whose circumcircle holds no other point."""
    edges = set()
    n = len(place)
    for a in range(n):
        for b in range(a + 1, n):
            for c in range(b + 1, n):
                m = np.c_[place[[a, b, c]], np.ones(3)]
                if abs(np.linalg.det(m)) < 1e-9:
                    continue
                lhs = 2 * (place[[b, c]] - place[a])
                rhs = (place[[b, c]] ** 2).sum(1) - (place[a] ** 2).sum()
                centre = np.linalg.solve(lhs, rhs)
                radius = np.linalg.norm(place[a] - centre)
                others = np.delete(place, [a, b, c], axis=0)
                if (np.linalg.norm(others - centre, axis=1) >= radius - 1e-9).all():
                    edges |= {(a, b), (b, c), (a, c)}
    return edges


def test_delaunay_edges_are_those_of_empty_circles_and_the_longest_are_cut():
    place = random_cells(25).positions
    every = build_graph(place, cap=np.inf)
    assert set(map(tuple, every.edges.tolist())) == brute_delaunay(place)
    capped = build_graph(place, cap=1.5)
    assert_allclose(np.sort(capped.lengths), np.sort(every.lengths[every.lengths <= 1.5 * np.median(every.lengths)]))


def test_other_edges_are_those_of_the_distance_matrix():
    place = random_cells(40).positions
    distance = distance_matrix(place, place)
    near = {(i, j) for i in range(40) for j in range(i + 1, 40) if distance[i, j] <= 17}
    assert set(map(tuple, build_graph(place, "radius", radius=17).edges.tolist())) == near
    order = np.argsort(distance, axis=1)[:, 1:4]
    chosen = {tuple(sorted((i, int(j)))) for i in range(40) for j in order[i]}
    assert set(map(tuple, build_graph(place, "knn", k=3).edges.tolist())) == chosen


@pytest.mark.parametrize("kind", ["delaunay", "knn"])
@pytest.mark.parametrize(
    ("place", "n_edges"),
    [
        ([], 0),
        ([[5, 5]], 0),
        ([[5, 5], [7, 7]], 1),
        ([[0, 0], [3.5, 0], [1, 0], [2.2, 0]], 3),
    ],
)
def test_few_cells_and_cells_on_a_line_have_the_edges_they_can(kind, place, n_edges):
    graph = build_graph(np.array(place, dtype=float).reshape(-1, 2), kind, k=1, cap=10)
    assert len(graph.edges) == n_edges


def test_cells_in_one_place_are_neighbours():
    place = np.array([[0, 0], [4, 0], [0, 4], [4, 4], [4, 4.0]])
    assert [3, 4] in build_graph(place).edges.tolist()


def test_clustering_degree_and_components_equal_networkx():
    cells = random_cells(80)
    graph = build_graph(cells.positions, "knn", k=2)
    found = positions.arrangement(cells, graph, close_pairs(cells))
    peer = as_networkx(graph)
    assert_allclose(found["clustering"], nx.average_clustering(peer))
    assert_allclose(found["degree_mean"], np.mean([d for _, d in peer.degree]))
    assert_allclose(found["components"], nx.number_connected_components(peer) / 80)


def test_the_walk_back_is_the_moment_of_the_spectrum():
    cells = random_cells(50)
    graph = build_graph(cells.positions)
    found = positions.arrangement(cells, graph, close_pairs(cells))
    values = 1 - np.linalg.eigvalsh(nx.normalized_laplacian_matrix(as_networkx(graph)).toarray())
    for k in (2, 3, 4):
        assert_allclose(found[f"walk_back_{k}"], (values**k).mean())


def test_merging_distances_are_those_of_the_spanning_tree_of_all_pairs():
    cells = random_cells(40)
    found = positions.arrangement(cells, build_graph(cells.positions), close_pairs(cells))
    complete = nx.from_numpy_array(distance_matrix(cells.positions, cells.positions))
    tree = [data["weight"] for *_, data in nx.minimum_spanning_edges(complete)]
    assert_allclose(found["merging_mean"], np.mean(tree))
    assert_allclose(found["merging_high"], np.quantile(tree, 0.9) / np.median(tree))


def test_voronoi_areas_are_those_of_the_polygons():
    place = random_cells(60).positions
    area = positions.voronoi_areas(place, build_graph(place).triangles)
    diagram = Voronoi(place)
    for cell, region in enumerate(diagram.point_region):
        corners = diagram.regions[region]
        if -1 in corners:
            assert np.isnan(area[cell])
            continue
        x, y = diagram.vertices[corners].T
        around = np.argsort(np.arctan2(y - y.mean(), x - x.mean()))
        x, y = x[around], y[around]
        shoelace = 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
        assert_allclose(area[cell], shoelace, rtol=1e-9)


def test_ripley_counts_pairs_weighted_for_the_border():
    cells = random_cells(30)
    n, area = 30, 100.0**2
    scale = np.sqrt(area / n)
    besag, correlation = ripley(cells, close_pairs(cells))
    k = np.zeros(len(RADII))
    for i in range(n):
        for j in range(n):
            if i != j:
                apart = np.abs(cells.positions[i] - cells.positions[j])
                weight = area / ((100 - apart[0]) * (100 - apart[1]))
                k += weight * (np.linalg.norm(apart) <= RADII * scale) * area / (n * (n - 1))
    assert_allclose(besag, np.sqrt(k / np.pi) / (RADII * scale) - 1)
    rings = np.pi * np.diff((RADII * scale) ** 2, prepend=0)
    assert_allclose(correlation, np.diff(k, prepend=0) / rings - 1)


def test_random_cells_have_no_structure_and_clustered_or_regular_ones_do():
    def mean(make):
        found = [ripley(cells, close_pairs(cells)) for cells in map(make, range(60))]
        return np.mean([besag for besag, _ in found], axis=0), np.mean([c for _, c in found], axis=0)

    besag, correlation = mean(lambda seed: random_cells(150, seed))
    assert_allclose(besag, 0, atol=0.02)
    assert_allclose(correlation, 0, atol=0.03)

    def clustered(seed):
        rng = np.random.default_rng(seed)
        place = rng.uniform(10, 90, (30, 1, 2)) + rng.normal(0, 2, (30, 5, 2))
        return Cells(np.clip(place.reshape(-1, 2), 0, 100), (100.0, 100.0))

    def regular(seed):
        grid = np.stack(np.meshgrid(np.arange(12), np.arange(12)), -1).reshape(-1, 2) * 8.3 + 4
        return Cells(grid + np.random.default_rng(seed).normal(0, 0.5, grid.shape), (100.0, 100.0))

    assert mean(clustered)[0][0] > 0.5
    assert mean(regular)[0][0] < -0.5


def test_arrangement_does_not_depend_on_units():
    cells = random_cells(80)
    larger = Cells(cells.positions * 7, (700.0, 700.0), cells.morphology, cells.types)
    one, other = (
        positions.arrangement(each, build_graph(each.positions), close_pairs(each)) for each in (cells, larger)
    )
    for name in one:
        factor = 7 if name.endswith("_mean") and name != "degree_mean" else 1
        assert_allclose(other[name], factor * one[name], rtol=1e-6, err_msg=name)


def test_likeness_of_neighbours_equals_networkx():
    cells = random_cells(70)
    graph = build_graph(cells.positions)
    peer = as_networkx(graph)
    nx.set_node_attributes(peer, dict(enumerate(cells.morphology[:, 0])), "value")
    nx.set_node_attributes(peer, dict(enumerate(cells.types.tolist())), "type")
    found = marks.morphology(cells, graph, ("value", "other"))
    assert_allclose(found["value_neighbours"], nx.numeric_assortativity_coefficient(peer, "value"))
    assert_allclose(found["value_sd"], cells.morphology[:, 0].std())
    near = marks.neighbourhoods(cells, graph, close_pairs(cells), ("a", "b", "c"))
    assert_allclose(near["type_assortativity"], nx.attribute_assortativity_coefficient(peer, "type"))


def test_contacts_are_held_against_types_dealt_out_anew():
    """The closed form equals the mean over many permutations of the types."""
    cells = random_cells(60)
    graph = build_graph(cells.positions)
    pairs = close_pairs(cells)
    rng = np.random.default_rng(1)

    def contacts(types, edges, a, b):
        one, two = types[edges].T
        return (((one == a) & (two == b)) | ((one == b) & (two == a))).sum()

    found = marks.neighbourhoods(cells, graph, pairs, ("a", "b", "c"))
    draws = [rng.permutation(cells.types) for _ in range(4000)]
    for a, b, name in ((0, 0, "contact_a_a"), (0, 2, "contact_a_c")):
        expected = np.mean([contacts(types, graph.edges, a, b) for types in draws])
        observed = contacts(cells.types, graph.edges, a, b)
        assert_allclose(found[name], np.log2((observed + 1) / (expected + 1)), atol=0.02)
    ring = pairs.cells[pairs.ring == 2]
    expected = np.mean([contacts(types, ring, 1, 1) for types in draws])
    assert_allclose(
        found[f"together_b_{RADII[2]:g}"], np.log2((contacts(cells.types, ring, 1, 1) + 1) / (expected + 1)), atol=0.02
    )


def test_neighbourhoods_know_segregation_and_not_composition():
    cells = random_cells(400, types=2)
    graph, pairs = build_graph(cells.positions), close_pairs(cells)
    halves = Cells(cells.positions, cells.extent, None, (cells.positions[:, 0] > 50).astype(int))
    rare = Cells(cells.positions, cells.extent, None, (np.random.default_rng(2).random(400) < 0.1).astype(int))
    apart = marks.neighbourhoods(halves, graph, pairs, ("a", "b"))
    assert apart["type_assortativity"] > 0.8
    assert apart["contact_a_b"] < -2
    dealt = marks.neighbourhoods(rare, graph, pairs, ("a", "b"))
    assert max(abs(dealt["contact_a_a"]), abs(dealt["contact_a_b"]), abs(dealt["type_assortativity"])) < 0.35
    share = (rare.types == 1).mean()
    found = marks.composition(rare, ("a", "b"))
    assert_allclose(found["log_share_b"] - found["log_share_a"], np.log(share / (1 - share)), atol=0.02)
    assert_allclose(found["type_entropy"], -share * np.log(share) - (1 - share) * np.log(1 - share))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("edges", ["delaunay", "knn", "radius"])
def test_few_cells_give_finite_features_of_the_same_names(n, edges):
    structure = Structure(STEPS, edges, 4.0, 6, 30.0 if edges == "radius" else None, ("area", "length"), ("a", "b"))
    cells = random_cells(n, types=2)
    found = structure.measure(cells)
    assert tuple(found) == structure.feature_names
    assert np.isfinite(list(found.values())).all()


def test_objects_of_labels_become_cells_and_gaps_do_not_matter():
    labels = np.zeros((40, 60), np.int32)
    labels[5:15, 10:20] = 9
    labels[20:24, 30:50] = 4
    cells = cells_of(labels, shape=True)
    assert cells.extent == (60.0, 40.0)
    assert_allclose(cells.positions, [[40, 22], [15, 10]])
    assert_allclose(cells.morphology[:, 0], [80, 100])
    assert cells.morphology[0, 2] > 3 > cells.morphology[1, 2]


def test_images_and_masks_give_the_graph_of_their_nuclei(manifest):
    encoder = create_encoder("cell-graph/morphology", ("dna",))
    labels = np.zeros((2, 64, 64), np.int32)
    labels[1, 10:20, 10:20] = 5
    labels[1, 40:50, 40:50] = 77
    vectors = dict(zip(encoder.feature_names, encoder.embed(np.zeros((2, 1, 64, 64)), ("dna",), labels).T, strict=True))
    assert vectors["cells"].tolist() == [0, 2]
    assert vectors["area_mean"].tolist() == [0, 100]
    assert_allclose(vectors["nearest_mean"], [0, 30 * np.sqrt(2)], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cell-graph/position", "no step 'position' of cell graphs; did you mean 'positions'"),
        ("cell-graph/composition", "needs types of cells, which are missing in these images"),
        ("cell-graph/positions@edges=radius", "edges=radius needs a positive radius"),
        ("cell-graph/positions@radius=5", "edges=radius needs a positive radius"),
        ("cell-graph/positions@edges=knn,k=0", "k and cap must be positive"),
        ("cell-graph/positions@edges=all", "option 'edges'"),
    ],
)
def test_refusals(name, message):
    with pytest.raises(EncoderError, match=message):
        create_encoder(name, ("dna",))
