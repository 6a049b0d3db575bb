// Package cluster lets replicas share quotas, key limits, budgets and what they know of broken targets through Redis. It is an adapter:
// nothing in the domain knows of it, and no call waits for it.
package cluster
