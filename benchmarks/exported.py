"""Runs an exported model by its own runtime, in a process that has neither this package nor its settings:

    python -I -S benchmarks/exported.py FORMAT MODEL PAIRS.npz PREDICTIONS.npy SITE_PACKAGES

PAIRS.npz holds the arrays user and item. What else is printed is a line of JSON. Without ``site`` (-S), an editable
install of this package is not found; the runtimes are in SITE_PACKAGES.
"""

import importlib.util
import json
import statistics
import sys
import time

N_BATCHES, N_SINGLE = 20, 200


def main(format: str, model: str, pairs: str, predictions: str, site_packages: str) -> None:
    sys.path.append(site_packages)
    import numpy as np

    predict = {"savedmodel": savedmodel, "onnx": onnx, "litert": litert}[format](model)
    with np.load(pairs, allow_pickle=True) as asked:
        inputs = {name: asked[name] for name in ("user", "item")}
    np.save(predictions, predict(**inputs))
    one = {name: ids[:1] for name, ids in inputs.items()}
    found = {
        "pairs_a_second": len(inputs["user"]) / seconds(lambda: predict(**inputs), N_BATCHES),
        "ms_a_pair": 1000 * seconds(lambda: predict(**one), N_SINGLE),
        "loaded": sorted({name.partition(".")[0] for name in sys.modules} & {"tensorflow", "keras"}),
        "has_this_package": importlib.util.find_spec("recsys_nn") is not None,
    }
    print(json.dumps(found))


def savedmodel(folder):
    import tensorflow as tf

    model = tf.saved_model.load(folder)
    return lambda user, item: model.signatures["serving_default"](user=tf.constant(user), item=tf.constant(item))[
        "prediction"
    ].numpy()


def onnx(file):
    import onnxruntime

    session = onnxruntime.InferenceSession(file)
    return lambda user, item: session.run(["prediction"], {"user": user, "item": item})[0]


def litert(file):
    from ai_edge_litert.interpreter import Interpreter

    predict = Interpreter(file).get_signature_runner()
    return lambda user, item: predict(user=user, item=item)["prediction"]


def seconds(call, times):
    """The median of so many calls, after a first one."""
    call()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


if __name__ == "__main__":
    main(*sys.argv[1:])
