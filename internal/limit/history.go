package limit

// entries bounds what a history remembers one by one. What is used within a five-hundredth of the window counts as one, until the youngest
// of it is too old: at most 0.2% of the window too long.
const (
	entries = 512
	grains  = 500
)

// history counts what was used within the last window.
type history struct {
	window int64
	sum    int64
	gone   int64 // has ceased to count, since the beginning
	head   int   // oldest entry
	n      int
	ring   [entries]entry
}

// entry is what was used from first on, which counts until end.
type entry struct{ first, end, n int64 }

func (h *history) at(i int) *entry { return &h.ring[(h.head+i)%entries] }

func (h *history) turn(now int64) {
	for h.n > 0 && h.at(0).end <= now {
		h.sum -= h.at(0).n
		h.gone += h.at(0).n
		h.head = (h.head + 1) % entries
		h.n--
	}
}

func (h *history) used() int64 { return h.sum }

func (h *history) add(now, n int64) {
	if n <= 0 {
		return
	}
	end := now + h.window
	h.sum += n
	if h.n > 0 {
		if last := h.at(h.n - 1); now-last.first < h.window/grains || h.n == entries {
			last.n += n
			last.end = end
			return
		}
	}
	*h.at(h.n) = entry{now, end, n}
	h.n++
}

// drop looks for the entry that has a time in it.
func (h *history) drop(at, n int64) {
	lo, hi := 0, h.n
	for lo < hi {
		if mid := (lo + hi) / 2; h.at(mid).first <= at {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 {
		return // too old
	}
	e := h.at(lo - 1)
	n = min(n, e.n)
	e.n -= n
	h.sum -= n
}

func (h *history) usedAt(now, t, n int64) int64 {
	sum := h.sum
	if now+h.window > t {
		sum += n
	}
	for i := range h.n {
		e := h.at(i)
		if e.end > t {
			break
		}
		sum -= e.n
	}
	return sum
}

func (h *history) free(level int64) int64 {
	if level < 0 {
		return never
	}
	sum, t := h.sum, int64(0)
	for i := 0; i < h.n && sum > level; i++ {
		e := h.at(i)
		sum -= e.n
		t = e.end
	}
	return t
}

// trim takes n back from the oldest entries.
func (h *history) trim(n int64) {
	for i := 0; i < h.n && n > 0; i++ {
		e := h.at(i)
		k := min(n, e.n)
		e.n -= k
		h.sum -= k
		n -= k
	}
}
