//! Every page renders from its sample, and nothing that a hospital sends comes out unescaped.
