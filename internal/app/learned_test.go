package app

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sluice/internal/limit"
	"sluice/internal/pace"
)

const learnedYAML = "providers:\n  p: {api: openai, base_url: http://127.0.0.1:9/v1, models: [m], quotas: [{models: [\"*\"], rpm: 6000}]}\n"

// TestLearnedIsKept: what was learned of a declared quota holds after a restart, and after another; what is in the file of a quota that is no more
// does no harm.
func TestLearnedIsKept(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	path := filepath.Join(data, "learned.json")
	want := []pace.Learned{{Quota: "p/*", Shape: limit.Shape{Mode: limit.Bucket, Burst: 20 * time.Second}, Charge: limit.ChargeCorrected}}
	text, err := json.Marshal(append([]pace.Learned{{Quota: "gone/*", Shape: limit.Shape{Mode: limit.Sliding}}}, want...))
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	unfinished := path + ".123"
	if err == nil {
		err = os.WriteFile(unfinished, text[:20], 0o600)
	}
	old := time.Now().Add(-time.Hour)
	if err == nil {
		err = os.Chtimes(unfinished, old, old)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		g := startIn(t, data, learnedYAML)
		eventually(t, "it is recalled", func() bool {
			all := g.fleet.Learned()
			return len(all) == 1 && all[0].Quota == "p/*" && all[0].Shape.Mode == limit.Bucket && all[0].Shape.Burst == 20*time.Second &&
				all[0].Charge == limit.ChargeCorrected
		})
		for _, s := range g.fleet.Sets() {
			if sh := s.Terms().Shape; sh.Mode != limit.Bucket || sh.Burst != 20*time.Second {
				t.Errorf("the quota goes by %+v", sh)
			}
		}
		eventually(t, "the unfinished file is removed", func() bool { _, err := os.Stat(unfinished); return err != nil })
		g.close()
		b, err := os.ReadFile(path)
		if err != nil || strings.Contains(string(b), "gone/*") {
			t.Errorf("the file has %s, %v", b, err)
		}
		if text := g.log.String(); strings.Contains(text, "learned") {
			t.Errorf("it complains: %s", text)
		}
	}
}

// TestLearnedCannotBeRead: a file that is broken, or another program's, is named in the log and not heeded, and the gateway works.
func TestLearnedCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty": "", "cut": `[{"Quota":"p/*","Sha`, "of another program": `[{"weights":[1,2]}]`, "an object": `{"Quota":"p/*"}`, "more than one": `[] []`,
		"no such mode": `[{"Quota":"p/*","Shape":{"Mode":200}}]`, "long": "[" + strings.Repeat(" ", maxLearned) + "]",
		"a burst of less than nothing": `[{"Quota":"p/*","Shape":{"Mode":2,"Burst":-5}}]`, "a directory": "",
	} {
		data := t.TempDir()
		path := filepath.Join(data, "learned.json")
		err := os.WriteFile(path, []byte(text), 0o600)
		if name == "a directory" {
			err = os.Remove(path)
			if err == nil {
				err = os.Mkdir(path, 0o700)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		g := startIn(t, data, learnedYAML)
		eventually(t, name+": it is told", func() bool {
			text := g.log.String()
			return strings.Contains(text, "what was learned of quotas cannot be read") && strings.Contains(text, path)
		})
		if all := g.fleet.Learned(); len(all) != 0 {
			t.Errorf("%s: %+v was recalled", name, all)
		}
		g.close()
	}
}

// TestKilledWhileWriting: a process that is killed while it writes leaves a whole file.
func TestKilledWhileWriting(t *testing.T) {
	t.Parallel()
	const pathVar = "SLUICE_TEST_WRITE_FILE"
	record := func(n int) []byte {
		return []byte(fmt.Sprintf(`[{"Quota":%q,"Shape":{"Mode":3},"Charge":1}]`, strings.Repeat(fmt.Sprint(n%10), 100_000+n%7*10_000)))
	}
	if path := os.Getenv(pathVar); path != "" { // the process that is killed
		for n := 0; ; n++ {
			if err := replaceFile(path, record(n)); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(os.Stderr, "written")
		}
	}
	path := filepath.Join(t.TempDir(), "learned.json")
	for range 10 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWhileWriting$")
		cmd.Env = append(os.Environ(), pathVar+"="+path, "TMPDIR="+filepath.Dir(path))
		out, err := cmd.StderrPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		_, err = out.Read(make([]byte, 64)) // it is at it
		if e := cmd.Process.Kill(); err != nil || e != nil {
			t.Fatal(err, e)
		}
		_ = cmd.Wait() // killed
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if all, err := pace.ReadLearned(text); err != nil || len(all) != 1 {
			t.Fatalf("%d bytes are left: %v", len(text), err)
		}
	}
}
