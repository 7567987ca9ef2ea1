//! The authority of every simulated cluster. Its certificate is published in the cluster and so stands in the log: one made anew would
//! differ from run to run. It guards nothing: no simulated peer shows a certificate.

pub(super) const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBlDCCATmgAwIBAgIUUwP0lh2Ii4uihm+If88MZnLghCkwCgYIKoZIzj0EAwIw\n\
JTESMBAGA1UECgwJc2ltdWxhdGVkMQ8wDQYDVQQDDAZydXR0ZXIwIBcNMjYxMTI1\n\
MjIxNjI3WhgPMjEyNjExMDEyMjE2MjdaMCUxEjAQBgNVBAoMCXNpbXVsYXRlZDEP\n\
MA0GA1UEAwwGcnV0dGVyMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEINWG21m1\n\
oui1wr+Oc2kCRTA0yCcxc5S+7UQVLmhCbG7VHMeQWJmgdPPJOmpSQLr8AJHaF1ZP\n\
d3d9zIFd/xko96NFMEMwEgYDVR0TAQH/BAgwBgEB/wIBADAOBgNVHQ8BAf8EBAMC\n\
AYYwHQYDVR0OBBYEFCgp5vXFsuaTBvHV7bpV/3NnHqYYMAoGCCqGSM49BAMCA0kA\n\
MEYCIQDxEdXGsbMpeejNs3OseMLa8cpEfGialeBAIC2q4pjQnwIhAK/dVCWJuUb/\n\
0RxyBHdpL2peIVY7v2yJtxrk/pnt43JO\n\
-----END CERTIFICATE-----\n\
";

pub(super) const KEY: &str = "\
-----BEGIN PRIVATE KEY-----\n\
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg/loJUQWulXWm6zrO\n\
rqN0q1enFFotSwqyk0RlJ4l0Ar+hRANCAAQg1YbbWbWi6LXCv45zaQJFMDTIJzFz\n\
lL7tRBUuaEJsbtUcx5BYmaB088k6alJAuvwAkdoXVk93d33MgV3/GSj3\n\
-----END PRIVATE KEY-----\n\
";
