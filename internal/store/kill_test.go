package store

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sluice/internal/ledger"
)

// childVar tells the test binary to be the child of TestKill, with a data directory.
const childVar = "SLUICE_TEST_CHILD_DIR"

const killInterval = 50 * time.Millisecond

// appendUntilKilled runs a ledger on a store and appends rows without end. It prints what happens, one line each, before
// the next thing happens: `a ID` when a row was appended, `w COUNT` when a write of a group begins, `d COUNT` when it is
// durable; each with the nanoseconds since 1970 as third word.
func appendUntilKilled(dir string) {
	s, err := Open(context.Background(), "", dir)
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	out := &printer{}
	l := ledger.New(printingSink{s, out}, ledger.Config{Interval: killInterval}, slog.New(slog.DiscardHandler))
	go l.Run(context.Background()) // until killed
	pace := time.NewTicker(200 * time.Microsecond)
	for i := 0; ; i++ {
		<-pace.C
		if !l.Reserve() {
			continue
		}
		r := call(i)
		r.ID = fmt.Sprintf("%d-%d", os.Getpid(), i)
		l.Append(&r)
		out.print("a", r.ID)
	}
}

// printer writes whole lines, unbuffered: what is printed outlives the process.
type printer struct{ mu sync.Mutex }

func (p *printer) print(what, arg string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(os.Stdout, "%s %s %d\n", what, arg, time.Now().UnixNano())
}

// printingSink tells of writes.
type printingSink struct {
	s   *Store
	out *printer
}

func (k printingSink) WriteCalls(ctx context.Context, rows []ledger.Row) error {
	k.out.print("w", strconv.Itoa(len(rows)))
	err := k.s.WriteCalls(ctx, rows)
	if err == nil {
		k.out.print("d", strconv.Itoa(len(rows)))
	}
	return err
}

// TestKill kills a process in the midst of appends, again and again on one database, and looks at what is left: an intact
// file, with every row that was appended more than an interval and a write before the kill, and none twice.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	total := 0
	for round := range 4 {
		lines := runAndKill(t, dir, 400*(round+1)+37)
		s, err := Open(t.Context(), "", dir)
		if err != nil {
			t.Fatalf("open after kill: %v", err)
		}
		total += checkKilled(t, s, lines)
		var n int
		if err := s.read.QueryRow("SELECT COUNT(*) FROM calls").Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n != total {
			t.Errorf("round %d: %d rows in all, want %d", round, n, total)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// runAndKill starts a child, kills it with SIGKILL after it has told of n rows, and returns all it told.
func runAndKill(t *testing.T, dir string, n int) []string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childVar+"="+dir)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(pipe)
	var lines []string
	for appended := 0; ; {
		line, err := in.ReadString('\n')
		if err == io.EOF {
			break // a part of a line is what did not get out
		}
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.TrimSuffix(line, "\n"))
		if strings.HasPrefix(line, "a ") {
			appended++
		}
		if appended == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatalf("the child ended by itself: %s", strings.Join(lines, "\n"))
	}
	return lines
}

// checkKilled compares the store with what a killed child told of itself, and returns how many of its rows are there.
func checkKilled(t *testing.T, s *Store, lines []string) int {
	t.Helper()
	var verdict string
	if err := s.read.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Fatalf("integrity check: %q, %v", verdict, err)
	}
	type appended struct {
		id string
		at int64
	}
	var rows []appended
	var durable int                          // rows told durable; they are the first, as rows are written in order
	var begun, lastBegun, longest, end int64 // of writes; end is the last sign of life
	for _, l := range lines {
		w := strings.Fields(l)
		if len(w) != 3 {
			t.Fatalf("the child printed %q", l)
		}
		at, err := strconv.ParseInt(w[2], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		end = max(end, at)
		switch n, _ := strconv.Atoi(w[1]); w[0] {
		case "a":
			rows = append(rows, appended{w[1], at})
		case "w":
			begun = at
		case "d":
			durable += n
			lastBegun = begun
			longest = max(longest, at-begun)
		}
	}
	there := 0
	for i, r := range rows {
		got, _, err := s.Calls(t.Context(), Filter{ID: r.id}, Cursor{}, 10)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case len(got) > 1:
			t.Errorf("row %s is there %d times", r.id, len(got))
		case len(got) == 1:
			there++
		case i < durable:
			t.Errorf("row %s (number %d) is lost, though the child saw %d become durable", r.id, i, durable)
		case time.Duration(end-r.at) > killInterval+time.Duration(longest)+slack:
			t.Errorf("row %s is lost, appended %v before the end", r.id, time.Duration(end-r.at))
		}
	}
	if durable == 0 {
		t.Error("the child was killed before it wrote anything")
	}
	t.Logf("%d appended, %d durable by word, %d there; last write began %v before the end, longest took %v",
		len(rows), durable, there, time.Duration(end-lastBegun), time.Duration(longest))
	// The child may have appended one more than it could tell.
	var inDB int
	pid, _, _ := strings.Cut(rows[0].id, "-")
	if err := s.read.QueryRow("SELECT COUNT(*) FROM calls WHERE id LIKE ?", pid+"-%").Scan(&inDB); err != nil {
		t.Fatal(err)
	}
	if inDB > len(rows)+1 {
		t.Errorf("%d rows of the child are there, it appended %d", inDB, len(rows))
	}
	return inDB
}

// slack is how late a loaded machine may run the ledger; the exact bound is tested on a synthetic clock in ledger.
const slack = 2 * time.Second
