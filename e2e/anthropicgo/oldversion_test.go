//go:build oldclient

package anthropicgo

// What version 1 of the client sends.
const (
	apiVersion  = "2023-06-01"
	keyHeader   = "X-Api-Key"
	sendsBearer = false
)
