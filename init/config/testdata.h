/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFIG_TESTDATA_H
#define CONFIG_TESTDATA_H

/* A certificate, its key, and somebody else's key: made for these tests, used nowhere. */
#define TEST_CERT                                                                                            \
	"      -----BEGIN CERTIFICATE-----\n"                                                                \
	"      MIIBdDCCARugAwIBAgIUPglzJ1wovvk+sW59l4Ckxy5hCyIwCgYIKoZIzj0EAwIw\n"                           \
	"      DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjQxMTI5NDlaGA8yMTI2MTAzMTExMjk0\n"                           \
	"      OVowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABHWI\n"                           \
	"      NIxhYDtzgvNEPB25VogTX1iQt74LqBVkru2ohSWE7cGMWo7m261LRZkYdpvtS11w\n"                           \
	"      cng6xasJ5CRVX9dqvoejUzBRMB0GA1UdDgQWBBTiydo4TmftpH50F9psNlrLi8H+\n"                           \
	"      STAfBgNVHSMEGDAWgBTiydo4TmftpH50F9psNlrLi8H+STAPBgNVHRMBAf8EBTAD\n"                           \
	"      AQH/MAoGCCqGSM49BAMCA0cAMEQCIACOQ9dAjgTYYF+TX2efoqyE4kMaO5qSgX8m\n"                           \
	"      94hzqxTBAiA1hxyaolsHGVEG4tG5IGRzEnvYCeSWw0mNnLFEiVtH8A==\n"                                   \
	"      -----END CERTIFICATE-----\n"

#define TEST_KEY                                                                                             \
	"      -----BEGIN EC PRIVATE KEY-----\n"                                                             \
	"      MHcCAQEEIJObx3+YBVj+Rj4ZVS3F0dYXQon4zidhYB88HfPOluwqoAoGCCqGSM49\n"                           \
	"      AwEHoUQDQgAEdYg0jGFgO3OC80Q8HblWiBNfWJC3vguoFWSu7aiFJYTtwYxajubb\n"                           \
	"      rUtFmRh2m+1LXXByeDrFqwnkJFVf12q+hw==\n"                                                       \
	"      -----END EC PRIVATE KEY-----\n"

#define OTHER_KEY                                                                                            \
	"      -----BEGIN EC PRIVATE KEY-----\n"                                                             \
	"      MHcCAQEEINvhhwWsaFiyaQhoP9JaibUqprSG0L0WbYfBx+266P8CoAoGCCqGSM49\n"                           \
	"      AwEHoUQDQgAE8ewF3wc66tabkiCYlIEbRUpx0mV2Lq8WR+RVYjiVvhzbJjg+Y1/X\n"                           \
	"      D57dfTEIU53jr9zk/LIYSjk//35WvXdB5A==\n"                                                       \
	"      -----END EC PRIVATE KEY-----\n"

#define TEST_SSH_KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA8cR7JsHNXqsiukEW7K7EvZtgHG4BbxPpIk0UoLBriw test"

#endif
