//! The authority of every simulated cluster, Ed25519: its signatures need no random numbers. Its certificate is published in the cluster and
//! so stands in the log: one made anew would differ from run to run. It guards nothing but other simulated processes from one another.

pub(crate) const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBUzCCAQWgAwIBAgIULCR5BW2qK5ZRqKPWhfuG4S+/6OswBQYDK2VwMCUxEjAQ\n\
BgNVBAoMCXNpbXVsYXRlZDEPMA0GA1UEAwwGcnV0dGVyMCAXDTI2MTEyNzEwMzgx\n\
OVoYDzIxMjYxMTAzMTAzODE5WjAlMRIwEAYDVQQKDAlzaW11bGF0ZWQxDzANBgNV\n\
BAMMBnJ1dHRlcjAqMAUGAytlcAMhAKms1RDasu1m0HEtZLMaSy91TVCnY1OXICrz\n\
S2NynUgoo0UwQzASBgNVHRMBAf8ECDAGAQH/AgEAMA4GA1UdDwEB/wQEAwIBhjAd\n\
BgNVHQ4EFgQUgkAvtmr8IP2QmYB1OrgpxJluOyEwBQYDK2VwA0EAzRdcNJjcBVyt\n\
IFC30UYfBjVtm1x/d8fJYaT43ljSRSxVaCCNPLq/0Wf4DHLZj5nH/ytN8wziHDdO\n\
LA0XR4LuDw==\n\
-----END CERTIFICATE-----\n\
";

pub(crate) const KEY: &str = "\
-----BEGIN PRIVATE KEY-----\n\
MC4CAQAwBQYDK2VwBCIEIC4+737fpPX5CEm/X4lrHIVq6ugT9/iTouaWdQhS1T+B\n\
-----END PRIVATE KEY-----\n\
";
