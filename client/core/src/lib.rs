//! Link, mirror and own-tool prediction of Spinor's client, without a renderer.
