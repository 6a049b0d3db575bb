package ingress

import (
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestIDsSortByTime checks for any two times that the ids made then are ULIDs in the order of the times.
func TestIDsSortByTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const most = math.MaxInt64 >> 15 // 48 bits of milliseconds
		a := rapid.Int64Range(0, most).Draw(t, "a")
		b := rapid.Int64Range(0, most).Draw(t, "b")
		x, y := newID(time.UnixMilli(a)), newID(time.UnixMilli(b))
		for _, id := range []string{x, y} {
			if len(id) != 26 || strings.Trim(id, crockford) != "" || id[0] > '7' {
				t.Fatalf("%q is no ULID", id)
			}
		}
		if a < b && x >= y || a > b && x <= y || x == y {
			t.Fatalf("ids of %d and %d are %s and %s", a, b, x, y)
		}
		var ms int64
		for _, c := range x[:10] {
			ms = ms<<5 | int64(strings.IndexRune(crockford, c))
		}
		if ms != a {
			t.Fatalf("id of %d holds %d", a, ms)
		}
	})
}

func TestIDsAreUnique(t *testing.T) {
	t.Parallel()
	const goroutines, each = 8, 5000
	now := time.Now()
	ids := make([][]string, goroutines)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for range each {
				ids[g] = append(ids[g], newID(now))
			}
		})
	}
	wg.Wait()
	seen := make(map[string]bool, goroutines*each)
	for _, some := range ids {
		for _, id := range some {
			if seen[id] {
				t.Fatalf("%s was made twice", id)
			}
			seen[id] = true
		}
	}
}
