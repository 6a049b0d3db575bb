package shape

import (
	"container/list"
	"crypto/sha256"
	"sync"
)

// Bounds of a cache.
const (
	maxKept      = 128     // schemas
	maxKeptBytes = 4 << 20 // of their texts together, and of their patterns

	instructionBytes = 64 // of a compiled pattern
)

// Cache keeps the schemas that forms have compiled, the ones used last. The zero value is ready. It is safe for concurrent use.
type Cache struct {
	mu    sync.Mutex
	byKey map[[sha256.Size]byte]*list.Element // of *entry
	order list.List                           // the one used last is in front
	bytes int
}

type entry struct {
	key    [sha256.Size]byte
	size   int
	schema *schema
}

// schema returns the schema of a text. Two callers may compile the same one at once; one of the two is kept.
func (c *Cache) schema(text string) *schema {
	if len(text) > maxSchemaBytes {
		return &schema{}
	}
	key := sha256.Sum256([]byte(text))
	if s := c.get(key); s != nil {
		return s
	}
	s := compile(text)
	c.put(&entry{key: key, size: len(text) + s.patterns*instructionBytes, schema: s})
	return s
}

func (c *Cache) get(key [sha256.Size]byte) *schema {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byKey[key]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*entry).schema
}

func (c *Cache) put(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byKey == nil {
		c.byKey = map[[sha256.Size]byte]*list.Element{}
	}
	if c.byKey[e.key] != nil {
		return
	}
	c.byKey[e.key] = c.order.PushFront(e)
	c.bytes += e.size
	for c.order.Len() > maxKept || c.bytes > maxKeptBytes {
		old := c.order.Remove(c.order.Back()).(*entry)
		delete(c.byKey, old.key)
		c.bytes -= old.size
	}
}
