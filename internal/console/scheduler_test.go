package console

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func TestQueueParameters(t *testing.T) {
	t.Parallel()
	c := New(options(t))
	f := func(path string, most int) {
		t.Helper()
		w := send(t, c, http.MethodGet, path, nil)
		if most == 0 {
			if w.Code != http.StatusBadRequest || code(t, w) != "bad_request" {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
			return
		}
		var q Queue
		if err := json.Unmarshal(w.Body.Bytes(), &q); err != nil || q.Calls != most {
			t.Errorf("%s asks for %d rows, want %d (%v)", path, q.Calls, most, err)
		}
	}
	f("/admin/v1/queue", 20)
	f("/admin/v1/queue?top=1", 1)
	f("/admin/v1/queue?top=1000", 1000)
	f("/admin/v1/queue?top=1001", 0)
	f("/admin/v1/queue?top=0", 0)
	f("/admin/v1/queue?top=all", 0)
	f("/admin/v1/queue?tops=5", 0)
}

// An empty list is a list.
func TestNothingWaits(t *testing.T) {
	t.Parallel()
	c := New(options(t))
	for _, path := range []string{"/admin/v1/queue", "/admin/v1/quotas"} {
		if w := send(t, c, http.MethodGet, path, nil); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "null") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if w := send(t, c, http.MethodPost, path, nil); w.Code != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %d", path, w.Code)
		}
	}
}
