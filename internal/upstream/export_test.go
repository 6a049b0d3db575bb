package upstream

import "crypto/tls"

// Trust gives an account the certificates of a test server.
func Trust(a *Account, c *tls.Config) { a.tr.TLSClientConfig = c }
