using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "main", worker = (modules = [(name = "main", esModule = embed "script.js")], compatibilityDate = "2025-06-01"))],
  sockets = [(
    name = "https", address = "ADDRESS:8445", service = "main",
    https = (options = (), tlsOptions = (keypair = (privateKey = embed "key.pem", certificateChain = embed "cert.pem")))
  )]
);
