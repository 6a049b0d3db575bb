package upstream_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"sluice/internal/llm"
	"sluice/internal/upstream"
)

// verify checks a request's signature by the rules of AWS Signature Version 4, written anew from
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html (read 2026-11-21), with the request as it
// arrived. It returns what is wrong, "" for nothing.
func verify(r *http.Request, body []byte, secret, region string, now time.Time) string {
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return "no signature"
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(rest, ", ") {
		k, v, _ := strings.Cut(part, "=")
		parts[k] = v
	}
	date := r.Header.Get("X-Amz-Date")
	at, err := time.Parse("20060102T150405Z", date)
	if err != nil || now.Sub(at).Abs() > 5*time.Minute {
		return "date " + date
	}
	scope := date[:8] + "/" + region + "/bedrock/aws4_request"
	if parts["Credential"] != "AKID/"+scope {
		return "credential " + parts["Credential"]
	}
	names := strings.Split(parts["SignedHeaders"], ";")
	if !slices.IsSorted(names) || !slices.Contains(names, "host") || !slices.Contains(names, "x-amz-date") {
		return "signed headers " + parts["SignedHeaders"]
	}
	var canonical strings.Builder
	fmt.Fprintf(&canonical, "%s\n%s\n%s\n", r.Method, canonicalPath(r), canonicalQuery(r.URL.RawQuery))
	for _, name := range names {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		fmt.Fprintf(&canonical, "%s:%s\n", name, strings.Join(strings.Fields(value), " "))
	}
	hash := r.Header.Get("X-Amz-Content-Sha256")
	if sum := sha256.Sum256(body); hash != hex.EncodeToString(sum[:]) && hash != "UNSIGNED-PAYLOAD" {
		return "hash of the body"
	}
	fmt.Fprintf(&canonical, "\n%s\n%s", parts["SignedHeaders"], hash)
	sum := sha256.Sum256([]byte(canonical.String()))
	key := []byte("AWS4" + secret)
	for _, s := range []string{date[:8], region, "bedrock", "aws4_request"} {
		key = mac(key, s)
	}
	want := hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256\n"+date+"\n"+scope+"\n"+hex.EncodeToString(sum[:])))
	if parts["Signature"] != want {
		return "signature of\n" + canonical.String()
	}
	return ""
}

func mac(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s))
	return h.Sum(nil)
}

// canonicalPath escapes each segment of the path as it was sent once more, as all services but S3 want it.
func canonicalPath(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	return strings.NewReplacer("%", "%25", ":", "%3A", "@", "%40").Replace(path)
}

func canonicalQuery(raw string) string {
	q, _ := url.ParseQuery(raw)
	return strings.ReplaceAll(q.Encode(), "+", "%20")
}

// TestSignature sends requests to a server that checks signatures for itself.
func TestSignature(t *testing.T) {
	t.Parallel()
	wrong, token, seen := "", "", 0
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		wrong, token, seen = verify(r, body, "secret", "eu-west-1", time.Now()), r.Header.Get("X-Amz-Security-Token"), seen+1
	}))
	t.Cleanup(s.Close)
	send := func(a *upstream.Account, rq *upstream.Request) {
		t.Helper()
		answer, e := a.Send(t.Context(), rq)
		if e != nil {
			t.Fatal(e)
		}
		answer.Finish()
	}
	p := upstream.Provider{
		Name: "p", API: "bedrock", BaseURL: s.URL, Region: "eu-west-1", AccessKey: llm.NewSecret("AKID"), SecretKey: llm.NewSecret("secret"),
		SessionToken: llm.NewSecret("session"),
	}
	a := open(t, &p)
	for _, path := range []string{"/model/plain/converse", "/model/arn%3Aaws%3Abedrock%3A%3A1%2Fx/converse-stream", "/model/a%20b%40c/invoke"} {
		rq := post(`{"messages":[]}`)
		rq.Path, rq.Query, rq.Header, rq.TraceParent = path, "b=2&a=1+3", nosy(), "00-trace"
		send(a, rq)
		if wrong != "" || token != "session" {
			t.Errorf("%s: %s; session token %q", path, wrong, token)
		}
	}
	send(a, &upstream.Request{Method: "GET", Path: "/model/x"})
	if wrong != "" {
		t.Errorf("without a body: %s", wrong)
	}
	send(a, &upstream.Request{Method: "POST", Path: "/model/x/invoke", Upload: strings.NewReader("abc"), UploadLength: 3})
	if wrong != "" || seen != 5 {
		t.Errorf("upload: %s; %d requests", wrong, seen)
	}
	p.SecretKey = llm.NewSecret("other")
	send(open(t, &p), post("{}"))
	if !strings.HasPrefix(wrong, "signature") {
		t.Errorf("a wrong key was taken: %q", wrong)
	}
}
