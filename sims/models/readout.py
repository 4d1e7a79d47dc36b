"""The last layer of a network, taken off: what comes before it, and the readout."""

from torch import fx, nn

from localnoise.errors import ArgumentError


def without_readout(back: nn.Module) -> tuple[nn.Module, nn.Linear]:
    """Return the layers before the last, and the last, which must be a Linear: back(h) = last(hidden(h)).

    They share the weights of `back`.

    Raises
    ------
    ArgumentError
        The network's last layer is no Linear.
    """
    if isinstance(back, nn.Sequential) and len(back) and isinstance(back[-1], nn.Linear):
        return back[:-1], back[-1]
    if isinstance(back, fx.GraphModule):
        *_, output = back.graph.nodes
        last = output.args[0]
        if isinstance(last, fx.Node) and last.op == "call_module":
            found = back.get_submodule(str(last.target))
            if isinstance(found, nn.Linear):
                graph = fx.Graph()
                copied: dict[fx.Node, fx.Node] = {}
                for node in back.graph.nodes:
                    if node not in (last, output):
                        copied[node] = graph.node_copy(node, copied.__getitem__)
                inner = last.args[0]
                assert isinstance(inner, fx.Node)
                graph.output(copied[inner])
                return fx.GraphModule(back, graph, "Hidden"), found
    ending = back[-1] if isinstance(back, nn.Sequential) and len(back) else back
    raise ArgumentError(
        f"lesson.back gives {type(back).__name__} ending in {type(ending).__name__}: expected several layers, the "
        "last a Linear, whose weights the noise is aligned with"
    )
