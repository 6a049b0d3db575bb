package e2e

import (
	"database/sql"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // reads the ledger independently of the product's own code

	"sluice/e2e/harness"
)

const (
	// A row waits at most for the group interval, then is written.
	ledgerInterval = 50 * time.Millisecond
	// One write takes a few milliseconds; the rest is for a machine that is busy with other tests.
	oneWrite = 200 * time.Millisecond
)

// received is one answer as a client saw it.
type received struct {
	id string
	at time.Time
}

// TestKillDuringLoad kills the process without warning, several times, and compares what clients have received with what
// the ledger has.
func TestKillDuringLoad(t *testing.T) {
	t.Parallel()
	sim := harness.StartSim(t, "latency: none\nany_model: true\n")
	g := harness.StartGateway(t, fmt.Sprintf("ledger: {interval: %v}\nproviders:\n  up: {base_url: %s}\n", ledgerInterval, sim.URL))
	const rounds, clients = 3, 8
	var all, certain []received
	for range rounds {
		got, killed := loadAndKill(t, g, clients)
		all = append(all, got...)
		for _, r := range got {
			if killed.Sub(r.at) > ledgerInterval+oneWrite {
				certain = append(certain, r)
			}
		}
		g = harness.ServeIn(t, g.Dir, harness.Env(), "--config", g.File)
	}
	last := g.Post(t, "/v1/chat/completions", harness.Chat("up/quick", "hi [[sim:tokens=2]]", false))
	certain = append(certain, received{id: last.Header.Get("X-Sluice-Request-Id")})
	all = append(all, certain[len(certain)-1])
	g.Stop()

	rows := ledgerIDs(t, g.Dir)
	missing := 0
	for _, r := range certain {
		if rows[r.id] != 1 {
			missing++
		}
	}
	if missing > 0 {
		t.Errorf("%d of %d answers that were received %v before a kill have no row", missing, len(certain), ledgerInterval+oneWrite)
	}
	lost, answered := 0, make(map[string]bool, len(all))
	for _, r := range all {
		if answered[r.id] {
			t.Errorf("id %s was given twice", r.id)
		}
		answered[r.id] = true
		if rows[r.id] == 0 {
			lost++
		}
	}
	// Calls whose answer the kill cut off may have a row, but no others.
	if unknown := len(rows) - (len(all) - lost); unknown > rounds*clients {
		t.Errorf("%d rows are of calls that no client knows", unknown)
	}
	t.Logf("%d answers in %d rounds, %d of the last moments lost", len(all), rounds, lost)
}

// loadAndKill has clients call as fast as they can, then kills the gateway. It returns their answers and when the kill was.
func loadAndKill(t *testing.T, g *harness.Gateway, clients int) ([]received, time.Time) {
	t.Helper()
	var mu sync.Mutex
	var got []received
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() { // ends with the first call that has no answer
			for {
				a, err := g.Do(http.MethodPost, "/v1/chat/completions", harness.Chat("up/quick", "hi [[sim:tokens=2]]", false))
				if err != nil {
					return
				}
				if a.Status != http.StatusOK {
					t.Errorf("status %d: %s", a.Status, a.Body)
					return
				}
				mu.Lock()
				got = append(got, received{a.Header.Get("X-Sluice-Request-Id"), time.Now()})
				mu.Unlock()
			}
		})
	}
	harness.Eventually(t, harness.Wait, func() error {
		mu.Lock()
		defer mu.Unlock()
		if len(got) < 500 || time.Since(got[0].at) < time.Second {
			return fmt.Errorf("%d answers", len(got))
		}
		return nil
	})
	killed := time.Now()
	g.Kill(t)
	wg.Wait()
	return got, killed
}

// ledgerIDs returns how many rows of a ledger have an id, after a check of the whole file.
func ledgerIDs(t *testing.T, dir string) map[string]int {
	t.Helper()
	db := openLedger(t, dir)
	var result string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&result); err != nil || result != "ok" {
		t.Fatalf("integrity check: %q, %v", result, err)
	}
	rows, err := db.Query("SELECT id, count(*) FROM calls GROUP BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	ids := map[string]int{}
	for rows.Next() {
		var id string
		var n int
		if err := rows.Scan(&id, &n); err != nil {
			t.Fatal(err)
		}
		if ids[id] = n; n != 1 {
			t.Errorf("%d rows have id %s", n, id)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return ids
}

// openLedger opens the database of a gateway that has ended.
func openLedger(t *testing.T, dir string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "data", "sluice.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// TestLeavingIsAccounted has a client that leaves in the middle of a stream: nothing stays open, and the ledger has what was
// used until then.
func TestLeavingIsAccounted(t *testing.T) {
	t.Parallel()
	sim := harness.StartSim(t, steadySim)
	g := harness.StartGateway(t, fmt.Sprintf("providers:\n  up: {base_url: %s}\n", sim.URL))
	s := openStream(t, g, "up/quick:stall;after=7", "hi")
	id := s.resp.Header.Get("X-Sluice-Request-Id")
	if n := g.Metric(t, "sluice_open_streams"); n != 1 {
		t.Errorf("%v open streams with one under way", n)
	}
	if err := s.resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, harness.Wait, func() error {
		for _, name := range []string{"sluice_inflight", "sluice_open_streams"} {
			if n := g.Metric(t, name); n != 0 {
				return fmt.Errorf("%s is %v", name, n)
			}
		}
		if st := sim.Stats(t); st.Aborted != 1 || st.Open != 0 {
			return fmt.Errorf("the provider has seen %+v", st)
		}
		return nil
	})
	if n := g.Metric(t, `sluice_calls_total{cause="caller",code="client_closed_request"}`); n != 1 {
		t.Errorf("%v calls are counted as left by the client", n)
	}
	g.Stop()
	var status, input, output, estimated int
	err := openLedger(t, g.Dir).QueryRow("SELECT status, input_tokens, output_tokens, estimated FROM calls WHERE id = ?", id).
		Scan(&status, &input, &output, &estimated)
	if err != nil || status != 499 || input == 0 || output == 0 || estimated != 1 {
		t.Errorf("row of the call: status %d, %d tokens in, %d out, estimated %d, error %v", status, input, output, estimated, err)
	}
}
