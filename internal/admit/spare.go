package admit

// maxSpare bounds how many of a kind are kept for use again.
const maxSpare = 16 << 10

// spares keeps what the queue has done with, so that it does not allocate while calls come and go. Guarded by the queue's mu.
type spares[T any] struct{ all []*T }

func (s *spares[T]) get() *T {
	if n := len(s.all); n > 0 {
		x := s.all[n-1]
		s.all[n-1] = nil
		s.all = s.all[:n-1]
		return x
	}
	return new(T)
}

// put keeps x, which must be as a new one is but for memory that it may use again.
func (s *spares[T]) put(x *T) {
	if len(s.all) < maxSpare {
		s.all = append(s.all, x)
	}
}
