"""Finds the nodes of an exported graph that must keep their precision, by their function rather than their name."""

from collections.abc import Iterable

import onnx

PRODUCTS = {"MatMul", "Gemm", "Conv"}


class Structure:
    """Queries over the nodes of a graph; results are node names."""

    def __init__(self, graph: onnx.GraphProto):
        self.nodes = list(graph.node)
        self.outputs = [output.name for output in graph.output]
        self.weights = {tensor.name for tensor in graph.initializer}
        self.producer = {output: node for node in self.nodes for output in node.output}

    def behind(self, tensors: Iterable[str], stop: set[str]) -> tuple[list[onnx.NodeProto], list]:
        """All nodes that tensors are computed from, up to and including nodes of the types in `stop`."""
        seen, stopped, waiting = {}, {}, list(tensors)
        while waiting:
            node = self.producer.get(waiting.pop())
            if node is None or node.name in seen or node.name in stopped:
                continue
            if node.op_type in stop:
                stopped[node.name] = node
            else:
                seen[node.name] = node
                waiting.extend(node.input)
        return list(seen.values()), list(stopped.values())

    def normalisation(self) -> list[str]:
        """The nodes after the last product of each output: the division by the length of the vector."""
        nodes, _ = self.behind(self.outputs, PRODUCTS)
        return [node.name for node in nodes]

    def projection(self) -> list[str]:
        """The last product of the first output, the embedding."""
        _, products = self.behind(self.outputs[:1], PRODUCTS)
        return [node.name for node in products]

    def before_projection(self) -> list[str]:
        """The Gemm whose result, after activations alone, is projected to the embedding: it reads a vector an image.
        Nothing where several products are added there, as in a transformer.
        """
        _, last = self.behind(self.outputs[:1], PRODUCTS)
        values = [name for node in last for name in node.input if name not in self.weights]
        _, products = self.behind(values, PRODUCTS)
        return [node.name for node in products if node.op_type == "Gemm"] if len(products) == 1 else []

    def angles(self) -> list[str]:
        """The cosines and sines of positions, and the nodes that they are computed from."""
        trigonometric = [node for node in self.nodes if node.op_type in ("Cos", "Sin")]
        nodes, _ = self.behind([name for node in trigonometric for name in node.output], PRODUCTS)
        return [node.name for node in nodes]

    def first_convolution(self) -> list[str]:
        """The convolution that reads pixels."""
        return [node.name for node in self.nodes if node.op_type == "Conv"][:1]

    def without_weights(self, operators: set[str]) -> list[str]:
        """Nodes of these types that work on computed values only, such as attention's products."""
        found = [node for node in self.nodes if node.op_type in operators]
        return [node.name for node in found if not self.weights.intersection(_values(node))]


def _values(node: onnx.NodeProto) -> list[str]:
    """The inputs that hold values. The second input of a Gather is an index."""
    return list(node.input[:1] if node.op_type == "Gather" else node.input)
