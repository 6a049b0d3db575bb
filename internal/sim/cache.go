package sim

import "sync"

// promptCache remembers prefixes of prompts by their hashes.
type promptCache struct {
	mu   sync.Mutex
	seen map[uint64]struct{}
}

// Prefixes count from cacheFirst tokens on, in steps of cacheStep, as OpenAI counts them.
const (
	cacheFirst = 1024
	cacheStep  = 128
	cacheLimit = 1 << 16 // prefixes remembered; then all are forgotten
)

// lookup returns how many tokens of the text were seen before as a prefix, and how long its longest prefix is that is
// remembered; it remembers the text's own prefixes.
func (c *promptCache) lookup(text []byte) (cached, prefix int64) {
	var hashes []uint64
	h := uint64(hashStart)
	var tokens int64
	for len(text) > 0 {
		n, counted := cutToken(text)
		h = hashString(h, text[:n])
		text = text[n:]
		if counted {
			tokens++
			if tokens >= cacheFirst && tokens%cacheStep == 0 {
				hashes = append(hashes, h)
			}
		}
	}
	if len(hashes) == 0 {
		return 0, 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil || len(c.seen)+len(hashes) > cacheLimit {
		c.seen = make(map[uint64]struct{})
	}
	for i, h := range hashes {
		if _, ok := c.seen[h]; ok {
			cached = cacheFirst + int64(i)*cacheStep
		}
		c.seen[h] = struct{}{}
	}
	return cached, cacheFirst + int64(len(hashes)-1)*cacheStep
}
