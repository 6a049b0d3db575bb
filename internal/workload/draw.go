package workload

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
	"math/bits"
	"strconv"
)

// A source gives random numbers by their place instead of their order: the n-th number is a function of the source and n
// alone. So a request's draws do not depend on which others were made, and any part of a schedule can be computed alone.
type source uint64

// newSource hashes a label and what else tells sources apart.
func newSource(label string, parts ...string) source {
	h := sha256.New()
	for _, p := range append([]string{label}, parts...) {
		io.WriteString(h, strconv.Itoa(len(p))+":"+p) // a hash's Write returns no error
	}
	return source(binary.LittleEndian.Uint64(h.Sum(nil)))
}

// common is the source of what all cells and steps of a suite share: lengths and gaps.
func (k Key) common(label string) source {
	return newSource(label, strconv.FormatUint(k.Seed, 10), strconv.Itoa(k.Repeat))
}

// own is the source of what no two runs share: the words of prompts.
func (k Key) own(label string) source {
	return newSource(label, strconv.FormatUint(k.Seed, 10), strconv.Itoa(k.Repeat), k.Suite, strconv.Itoa(k.Cell), strconv.Itoa(k.Step))
}

// golden spreads neighbouring places over all bits (2^64 divided by the golden ratio).
const golden = 0x9e3779b97f4a7c15

// bits returns the n-th number.
func (s source) bits(n uint64) uint64 {
	// The finalizer of SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
	x := uint64(s) + (n+1)*golden
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// at returns the source of one thing among many.
func (s source) at(n uint64) source { return source(s.bits(n)) }

// unit returns the n-th number as one between 0 and 1, both excluded.
func (s source) unit(n uint64) float64 { return (float64(s.bits(n)>>12) + 0.5) / (1 << 52) }

// below returns the n-th number as one of 0..limit-1.
func (s source) below(n uint64, limit int) int {
	hi, _ := bits.Mul64(s.bits(n), uint64(limit))
	return int(hi)
}
