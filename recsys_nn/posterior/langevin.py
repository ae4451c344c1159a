"""Langevin dynamics as a Keras optimizer: its iterates are samples of the posterior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf


class Langevin(keras.optimizers.Optimizer):
    """Samples weights θ with the density exp(-U(θ) / T) by Langevin dynamics with momentum.

        U(θ) = scale · loss(θ) + 1/2 Σ s θ²

        p <- p - h M^(-1/2) ∇U(θ)
        θ <- θ + h/2 M^(-1/2) p
        p <- (1 - γ) p + sqrt((1 - (1 - γ)²) T) ξ,   ξ ~ N(0, 1)
        θ <- θ + h/2 M^(-1/2) p

    (Leimkuhler & Matthews 2013, "Rational construction of stochastic numerical methods for molecular sampling", the
    scheme BAOAB, whose θ have the right density for any stable h where U is quadratic.)

    Where the loss is a mean over all n examples and U their negative log-likelihood with the penalties as log-prior
    (so scale = n for a loss that is a negative log-likelihood), T = 1 samples the posterior; a colder chain stays
    nearer to its mode (Wenzel et al. 2020, "How good is the Bayes posterior in deep neural networks really?"). The
    springs s, zero at first, make penalties stronger or weaker than the loss has them. Slopes of mini-batches add noise
    of their own, which heats the chain (Chen, Fox & Guestrin 2014, "Stochastic gradient Hamiltonian Monte Carlo").

    Args:
        masses: M, for each trainable variable an array of its shape: about the curvature of U.
        learning_rate: the step size h; below 2 / sqrt of the largest curvature of U in units of M, or it diverges.
        friction: γ; 1 forgets the momentum in each step.
        scale: factor of the loss in U.
        temperature: T, which scales the noise.
        seed: seed of the noise ξ.
    """

    def __init__(
        self,
        masses: Sequence[npt.NDArray[np.float32]],
        *,
        learning_rate: float = 0.1,
        friction: float = 0.05,
        scale: float = 1.0,
        temperature: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__(learning_rate=learning_rate, name="langevin")
        self.masses, self.friction, self.scale = list(masses), friction, scale
        self.temperature, self.seed = temperature, seed

    def build(self, variables: Sequence[Any]) -> None:
        if self.built:
            return
        super().build(variables)
        self._momenta = [self.add_variable_from_reference(variable, name="momentum") for variable in variables]
        self._paces = [self.add_variable_from_reference(variable, name="pace") for variable in variables]
        self._springs = [self.add_variable(variable.shape[-1:], "zeros", name="spring") for variable in variables]
        self._heat = self.add_variable((), "zeros", name="temperature")
        self.set_masses(self.masses)
        self.set_temperature(self.temperature)

    def set_masses(self, masses: Sequence[npt.NDArray[np.float32]]) -> None:
        """Sets the masses M, an array for each variable."""
        self.masses = list(masses)
        for pace, mass in zip(self._paces, self.masses, strict=True):
            pace.assign(1 / np.sqrt(mass))

    def restart(self, masses: Sequence[npt.NDArray[np.float32]], learning_rate: float) -> None:
        """Forgets the momenta and the springs, and goes on with these masses and this step size."""
        for variable in (*self._momenta, *self._springs):
            variable.assign(np.zeros(variable.shape, np.float32))
        self.set_masses(masses)
        self.learning_rate = learning_rate

    def set_springs(self, springs: Sequence[npt.NDArray[np.float32]]) -> None:
        """Sets the springs s, for each variable one value for each place on its last axis, or one for all."""
        for spring, values in zip(self._springs, springs, strict=True):
            spring.assign(np.broadcast_to(values, spring.shape))

    def set_temperature(self, temperature: float) -> None:
        """Sets the temperature T."""
        self.temperature = temperature
        self._heat.assign(temperature)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        place = self._get_variable_index(variable)
        momentum, pace = self._momenta[place], self._paces[place].value
        kept = 1 - self.friction
        # XLA draws fast by Philox when it is asked for by name, and forty times slower when it may choose.
        key = tf.stack([tf.constant(self.seed * 1009 + place), tf.cast(self.iterations.value, tf.int32)])
        noise = tf.random.stateless_normal(variable.shape, key, alg="philox")
        spread = tf.sqrt((1 - kept**2) * self._heat.value)
        slope = self.scale * tf.convert_to_tensor(gradient)
        slope += self._springs[place].value * tf.convert_to_tensor(variable)
        pushed = momentum.value - learning_rate * pace * slope
        momentum.assign(kept * pushed + spread * noise)
        variable.assign_add(learning_rate / 2 * pace * (pushed + momentum.value))
