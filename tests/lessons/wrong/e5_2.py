"""Wrong answers to exercise 5.2, as learners write them; the docstring is what the diagnosis must say."""

import numpy as np


def normal(X, eps):
    s = (X.var(0) + eps) ** 0.5
    return (X - X.mean(0)) / s, s


def batch_norm_backward_in_use(G, X, gamma, beta, eps):
    "took mean and variance for constants"
    x_hat, s = normal(X, eps)
    return gamma * G / s, np.sum(x_hat * G, 0), np.sum(G, 0)


def batch_norm_backward_half_way(G, X, gamma, beta, eps):
    "the term of the variance is missing"
    x_hat, s = normal(X, eps)
    centred = G - G.sum(0) / len(X)
    return gamma * centred / s, np.sum(x_hat * G, 0), np.sum(G, 0)


def batch_norm_backward_input(G, X, gamma, beta, eps):
    "you multiplied by X"
    x_hat, s = normal(X, eps)
    g = G * gamma
    dX = (g - g.mean(0) - x_hat * (g * x_hat).mean(0)) / s
    return dX, (G * X).sum(0), G.sum(0)


def batch_norm_backward_without_gamma(G, X, gamma, beta, eps):
    "dL/dx_hat is G gamma"
    x_hat, s = normal(X, eps)
    dX = (G - G.mean(0) - x_hat * (G * x_hat).mean(0)) / s
    return dX, (G * x_hat).sum(0), G.sum(0)


def batch_norm_backward_mean_of_parameters(G, X, gamma, beta, eps):
    r"dL/dgamma is .*a sum become a mean.*dL/dX: right"
    x_hat, s = normal(X, eps)
    g = G * gamma
    dX = (g - g.mean(0) - x_hat * (g * x_hat).mean(0)) / s
    return dX, (G * x_hat).mean(0), G.mean(0)


def batch_norm_backward_two_only(G, X, gamma, beta, eps):
    "a tuple of 3 arrays"
    x_hat, _ = normal(X, eps)
    return (G * x_hat).sum(0), G.sum(0)


def whole(G, X, gamma, x_hat, s):
    g = G * gamma
    dX = (g - g.mean(0) - x_hat * (g * x_hat).mean(0)) / s
    return dX, (G * x_hat).sum(0), G.sum(0)


def batch_norm_backward_eps_outside(G, X, gamma, beta, eps):
    "known mistake: eps is added to the variance, under the root; you added it to the deviation"
    s = np.std(X, axis=0) + eps
    return whole(G, X, gamma, (X - X.mean(0)) / s, s)


def batch_norm_backward_no_eps(G, X, gamma, beta, eps):
    "known mistake: eps is missing"
    s = np.std(X, axis=0)
    return whole(G, X, gamma, (X - X.mean(0)) / s, s)


def batch_norm_backward_no_eps_at_the_end(G, X, gamma, beta, eps):
    "known mistake: dL/dX is divided by the deviation without its eps"
    return whole(G, X, gamma, normal(X, eps)[0], X.std(0))


def batch_norm_backward_sums(G, X, gamma, beta, eps):
    "known mistake: m and v are means over the rows, so their terms are means .* you took sums"
    x_hat, s = normal(X, eps)
    g = G * gamma
    return (g - g.sum(0) - x_hat * (g * x_hat).sum(0)) / s, (G * x_hat).sum(0), G.sum(0)


def batch_norm_backward_gamma_in_beta(G, X, gamma, beta, eps):
    r"known mistake: gamma belongs to dL/dx_hat alone.* \(dL/dX and dL/dgamma: right\)"
    x_hat, s = normal(X, eps)
    dX, dgamma, _ = whole(G, X, gamma, x_hat, s)
    return dX, dgamma, (G * gamma).sum(0)
