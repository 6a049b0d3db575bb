package sim

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"sluice/internal/llm"
)

// AWSKeys are the credentials that requests to Bedrock must be signed with, and the region that they must be signed for.
type AWSKeys struct {
	AccessKey    string
	SecretKey    llm.Secret
	SessionToken llm.Secret // empty if the keys are no temporary ones
	Region       string     // empty accepts every region
}

// maxSkew is how far a signature's time may be from now.
const maxSkew = 5 * time.Minute

const amzTime = "20060102T150405Z"

// checkSignature verifies version 4 of Amazon's signatures by computing it again from the request as it came in
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html, read 2026-11). A bearer key is
// the other way in.
func (s *Server) checkSignature(r *http.Request, body []byte) *refusal {
	if key := bearer(r); key != "" && !s.cfg.APIKey.Empty() {
		return s.checkKey(&ask{host: onBedrock, dialect: llm.Converse}, r)
	}
	want := &s.cfg.AWS
	if want.AccessKey == "" {
		return nil
	}
	sig, ok := parseSignature(r.Header.Get("Authorization"))
	if !ok {
		return refuseAWS("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	if sig.access != want.AccessKey || r.Header.Get("X-Amz-Security-Token") != want.SessionToken.Reveal() {
		return refuseAWS("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	at, err := time.Parse(amzTime, r.Header.Get("X-Amz-Date"))
	if err != nil || at.Format("20060102") != sig.date {
		return refuseAWS("IncompleteSignatureException", "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP")
	}
	if skew := time.Since(at); skew > maxSkew || skew < -maxSkew {
		return refuseAWS("InvalidSignatureException", "Signature expired: "+r.Header.Get("X-Amz-Date")+" is now earlier or later than "+
			time.Now().UTC().Format(amzTime)+" by more than 5 min.")
	}
	if sig.service != "bedrock" || want.Region != "" && sig.region != want.Region {
		return refuseAWS("InvalidSignatureException", "Credential should be scoped to a valid region and to service bedrock, not '"+
			sig.region+"' and '"+sig.service+"'.")
	}
	if !slices.Contains(sig.headers, "host") || !want.SessionToken.Empty() && !slices.Contains(sig.headers, "x-amz-security-token") {
		return refuseAWS("InvalidSignatureException", "'Host' or 'X-Amz-Security-Token' must be a 'SignedHeader' in the AWS Authorization.")
	}
	if !hmac.Equal([]byte(sig.signature), []byte(signAWS(r, body, &sig, want.SecretKey.Reveal()))) {
		return refuseAWS("InvalidSignatureException", "The request signature we calculated does not match the signature you provided. "+
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	return nil
}

func refuseAWS(code, text string) *refusal {
	return &refusal{status: http.StatusForbidden, code: code, text: text}
}

// signature is an Authorization header of version 4.
type signature struct {
	access, date, region, service string
	headers                       []string
	signature                     string
}

func parseSignature(h string) (sig signature, ok bool) {
	rest, ok := strings.CutPrefix(h, "AWS4-HMAC-SHA256 ")
	if !ok {
		return sig, false
	}
	for pair := range strings.SplitSeq(rest, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		switch key {
		case "Credential":
			scope := strings.Split(value, "/")
			if len(scope) != 5 || scope[4] != "aws4_request" {
				return sig, false
			}
			sig.access, sig.date, sig.region, sig.service = scope[0], scope[1], scope[2], scope[3]
		case "SignedHeaders":
			sig.headers = strings.Split(value, ";")
		case "Signature":
			sig.signature = value
		}
	}
	return sig, sig.access != "" && len(sig.headers) > 0 && sig.signature != ""
}

// signAWS computes the signature of a request.
func signAWS(r *http.Request, body []byte, sig *signature, secret string) string {
	sum := sha256.Sum256(body)
	var c bytes.Buffer
	c.WriteString(r.Method + "\n" + escapeAWS(r.URL.EscapedPath(), true) + "\n" + canonicalQuery(r.URL.Query()) + "\n")
	for _, name := range sig.headers {
		c.WriteString(name + ":" + headerAWS(r, name) + "\n")
	}
	c.WriteString("\n" + strings.Join(sig.headers, ";") + "\n" + hex.EncodeToString(sum[:]))
	canonical := sha256.Sum256(c.Bytes())
	scope := sig.date + "/" + sig.region + "/" + sig.service + "/aws4_request"
	text := "AWS4-HMAC-SHA256\n" + r.Header.Get("X-Amz-Date") + "\n" + scope + "\n" + hex.EncodeToString(canonical[:])
	key := []byte("AWS4" + secret)
	for _, part := range []string{sig.date, sig.region, sig.service, "aws4_request", text} {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(part))
		key = m.Sum(nil)
	}
	return hex.EncodeToString(key)
}

// headerAWS is the value of a signed header: several are joined by commas, and runs of spaces are one.
func headerAWS(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10)
	}
	values := slices.Clone(r.Header.Values(name))
	for i, v := range values {
		values[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(values, ",")
}

// canonicalQuery is the query with its names sorted.
func canonicalQuery(q url.Values) string {
	var pairs []string
	for name, values := range q {
		for _, v := range values {
			pairs = append(pairs, escapeAWS(name, false)+"="+escapeAWS(v, false))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// escapeAWS escapes all but the unreserved characters, and slashes if they are to be kept. A path is escaped already as it
// stands in the request: all services but S3 escape it a second time.
func escapeAWS(s string, slashes bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '~', c == '/' && slashes:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}
