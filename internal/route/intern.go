package route

import (
	"sync"

	"sluice/internal/llm"
)

// maxName is the longest name of a model, provider included, in bytes.
const maxName = 256

// maxDynamic bounds the names that are kept of those that clients make up.
const maxDynamic = 4096

// interned keeps one target for each name that clients make up, so that it can be told by its pointer. When it is full,
// further names get a target of their own for each call.
type interned struct {
	mu      sync.RWMutex
	targets map[string]*llm.Target
}

// target returns the target of a name. full is only read.
func (n *interned) target(full []byte, p *Provider) *llm.Target {
	n.mu.RLock()
	tg := n.targets[string(full)]
	n.mu.RUnlock()
	if tg != nil {
		return tg
	}
	fresh := p.target(string(full))
	n.mu.Lock()
	defer n.mu.Unlock()
	if tg := n.targets[fresh.Name]; tg != nil {
		return tg
	}
	if len(n.targets) >= maxDynamic {
		return fresh
	}
	if n.targets == nil {
		n.targets = map[string]*llm.Target{}
	}
	n.targets[fresh.Name] = fresh
	return fresh
}
