package e2e

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"sluice/e2e/harness"
)

// chromiumVar names the browser; scripts/with-services sets it.
const chromiumVar = "SLUICE_TEST_CHROMIUM"

// browser is a headless Chromium with a profile of its own. It ends with its test.
type browser struct{ ctx context.Context }

func startBrowser(t *testing.T) *browser {
	t.Helper()
	path := os.Getenv(chromiumVar)
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path == "" {
			path, _ = exec.LookPath(name)
		}
	}
	if path == "" {
		t.Fatalf("these tests open pages in Chromium, which is not installed (Debian: apt-get install chromium); %s may name it", chromiumVar)
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium's sandbox does not run as root
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, closeBrowser := chromedp.NewContext(ctx)
	t.Cleanup(closeBrowser)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return &browser{ctx}
}

// tab is an open page with what it has said and asked for.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	console  []string // warnings, errors and exceptions, those of the security policy too
	requests []string // URLs
}

// open opens a page in a tab of its own.
func (b *browser) open(t *testing.T, url string, width int64, options ...chromedp.EmulateViewportOption) *tab {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(b.ctx)
	t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(ctx, harness.Hang)
	t.Cleanup(cancel)
	p := &tab{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, p.hear); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 900, options...), chromedp.Navigate(url)); err != nil {
		t.Fatalf("open %s: %v", url, err)
	}
	return p
}

func (p *tab) hear(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.console = append(p.console, "exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		p.console = append(p.console, "console: "+string(e.Type))
	case *log.EventEntryAdded:
		p.console = append(p.console, string(e.Entry.Level)+": "+e.Entry.Text)
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.URL)
	}
}

// quiet checks that the page has said nothing to the console, and asked for nothing but itself.
func (p *tab) quiet() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.console) > 0 {
		p.t.Errorf("the console says %q", p.console)
	}
	if len(p.requests) != 1 || !strings.HasPrefix(p.requests[0], "file://") {
		p.t.Errorf("the page asked for %q, want the file only", p.requests)
	}
}

// eval returns what an expression of JavaScript is in the page.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("evaluate %.200s: %v", expression, err)
	}
	return v
}

// click clicks the element that a CSS selector finds, as a reader would: it must be visible.
func (p *tab) click(selector string) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, chromedp.ScrollIntoView(chromedp.CSS(selector)), chromedp.Click(chromedp.CSS(selector))); err != nil {
		p.t.Fatalf("click %s: %v", selector, err)
	}
}

// TestBrowserHears holds the tests of pages to account: what quiet looks for is noticed when it is there.
func TestBrowserHears(t *testing.T) {
	t.Parallel()
	path := harness.WriteFile(t, t.TempDir()+"/loud.html", `<!doctype html><meta http-equiv="Content-Security-Policy" content="img-src 'none'">
<script>console.error("loud"); setTimeout(() => { throw new Error("thrown") });</script><img src="http://127.0.0.1:48999/pixel.png">
<link rel="stylesheet" href="http://127.0.0.1:9/far.css">`)
	p := startBrowser(t).open(t, "file://"+path, 800)
	harness.Eventually(t, harness.Wait, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		said := strings.Join(p.console, "\n")
		for _, want := range []string{"console: error", "exception: ", "Content Security Policy"} {
			if !strings.Contains(said, want) {
				return &missing{want, said}
			}
		}
		if asked := strings.Join(p.requests, "\n"); !strings.Contains(asked, "far.css") {
			return &missing{"far.css", asked}
		}
		return nil
	})
}

type missing struct{ want, got string }

func (m *missing) Error() string { return "not heard: " + m.want + " in: " + m.got }

// checkPaper checks that the page fits on A4, held sideways, with its margins.
func (p *tab) checkPaper() {
	p.t.Helper()
	const paper = 1031 // pixels
	if err := chromedp.Do(p.ctx, chromedp.EmulateViewport(paper, 700)); err != nil {
		p.t.Fatal(err)
	}
	if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"}); err != nil {
		p.t.Fatal(err)
	}
	// The charts follow the width of the page one frame later (ResizeObserver), so the width is read once it no longer falls.
	width := eval[int](p, settledWidth)
	if width > paper {
		p.t.Errorf("on paper the page is %d pixels wide, want %d", width, paper)
	}
}

// settledWidth is the width of a page once ten frames in a row have not changed it.
const settledWidth = `new Promise((resolve) => {
  let width = 0, same = 0;
  const look = () => {
    const now = document.documentElement.scrollWidth;
    same = now === width ? same + 1 : 0;
    width = now;
    same < 10 ? requestAnimationFrame(look) : resolve(width);
  };
  look();
})`
