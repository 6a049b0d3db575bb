//go:build !oldclient

package anthropicgo

// What version 2 of the client sends.
const (
	apiVersion  = "2026-10-21"
	keyHeader   = "Authorization"
	sendsBearer = true
)
