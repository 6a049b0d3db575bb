//go:build linux

package rig

import (
	"math"
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	got, err := parseStat([]byte("77 (a b) c) S 1 1 1 0 -1 4194560 5 6 7 8 123 45 9 9 20 0 1 0 100 0 0\n"))
	if err != nil || got != 1680*time.Millisecond {
		t.Errorf("got %v, %v; want 1.68s", got, err)
	}
	if _, err := parseStat([]byte("77 (a) S 1")); err == nil {
		t.Error("short line: no error")
	}
}

// TestCPUTimeAgrees burns CPU until both clocks have moved and compares them.
func TestCPUTimeAgrees(t *testing.T) {
	t.Parallel()
	start, err := CPUTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	now := start
	for x := 1.0; now-start < 100*time.Millisecond; {
		for range 100_000 {
			x = math.Sqrt(x + 1)
		}
		if now, err = CPUTime(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	low, err := statTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	high, err := CPUTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	// stat rounds both of its parts down to ticks.
	if low > high || low < now-3*time.Second/userHZ {
		t.Errorf("stat says %v, between clock readings %v and %v", low, now, high)
	}
}

func TestParseCores(t *testing.T) {
	t.Parallel()
	const stat = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 3 400 5 6 7 8 0 0\ncpu1 10 0 0 0 0 0 0 0 0 0\nintr 1 2 3 4 5 6 7 8 9\n"
	f := func(cpus []int, want time.Duration) {
		t.Helper()
		got, err := parseCores(stat, cpus)
		if err != nil || got != want {
			t.Errorf("CPUs %v: %v, %v; want %v", cpus, got, err, want)
		}
	}
	f([]int{0}, 140*time.Millisecond)
	f([]int{0, 1}, 240*time.Millisecond)
	if _, err := parseCores(stat, []int{2}); err == nil {
		t.Error("CPU that is not there: no error")
	}
}

func TestParseCPUs(t *testing.T) {
	t.Parallel()
	f := func(in, want string) {
		t.Helper()
		got, err := ParseCPUs(in)
		if err != nil {
			got, want = nil, "error, want "+want
		}
		if JoinCPUs(got) != want {
			t.Errorf("%q: %s, want %s", in, JoinCPUs(got), want)
		}
	}
	f("0", "0")
	f("1,3-5", "1,3,4,5")
	for _, bad := range []string{"", "x", "3-1", "-1", "1,,2", "0-99999"} {
		if got, err := ParseCPUs(bad); err == nil {
			t.Errorf("%q: %v, want an error", bad, got)
		}
	}
}

func TestParseFamily(t *testing.T) {
	t.Parallel()
	parent, used, err := parseFamily([]byte("77 (a b) c) S 42 1 1 0 -1 4194560 5 6 7 8 123 45 9 3 20 0 1 0 100 0 0\n"))
	if err != nil || parent != 42 || used != 1800*time.Millisecond {
		t.Errorf("parent %d, used %v, %v; want 42 and 1.8s", parent, used, err)
	}
	for _, bad := range []string{"", "77 (a) S 42", "77 (a) S x 1 1 0 -1 1 5 6 7 8 1 2 3 4 20"} {
		if _, _, err := parseFamily([]byte(bad)); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestTimeOutside(t *testing.T) {
	t.Parallel()
	// 1 is the first process; 10 is asked about, with child 11 and grandchild 12; 21 is a child of 20, whose parent has ended.
	parent := map[int]int{1: 0, 10: 1, 11: 10, 12: 11, 20: 99, 21: 20}
	used := map[int]time.Duration{1: 1, 10: 2, 11: 4, 12: 8, 20: 16, 21: 32}
	f := func(pid int, want time.Duration) {
		t.Helper()
		if got := timeOutside(pid, parent, used); got != want {
			t.Errorf("outside of %d: %d, want %d", pid, got, want)
		}
	}
	f(10, 1+16+32)
	f(12, 63-8)
	f(20, 63-48)
	f(1, 16+32)
	f(-1, 63)
}

// TestOthersTime reads the real processes. Their times are not compared: some end between two readings.
func TestOthersTime(t *testing.T) {
	t.Parallel()
	for _, pid := range []int{os.Getpid(), -1} {
		if got, err := OthersTime(pid); err != nil || got <= 0 {
			t.Errorf("outside of %d: %v, %v", pid, got, err)
		}
	}
}
