//go:build oldclient

package openaigo

const readsComments = false
