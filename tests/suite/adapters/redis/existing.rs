//! Servers that were there before the run: passwords, foreign keys, sentinels, TLS.

use super::*;

#[tokio::test]
async fn an_existing_server_wants_its_password_and_keeps_foreign_keys() {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let local = start(&backend("", folder.path())).await;
    let address = local.nodes()[0].address.clone();
    for key in ["foreign", "run", "running:1", "xrun:1"] {
        ask::<()>(&address, &["SET", key, "stays"]).await;
    }
    ask::<()>(&address, &["CONFIG", "SET", "requirepass", "secret"]).await;
    let stranger = Backend { nodes: vec![address.clone()], ..backend("", folder.path()) };
    let refused = try_start(&stranger).await.err();
    assert!(matches!(refused, Some(SystemError::Unreachable { .. })), "{refused:?}");
    let nameless = Backend { prefix: String::new(), password: Some("secret".into()), ..stranger.clone() };
    assert!(try_start(&nameless).await.is_err(), "without a prefix everything would be removed");
    let friend = Backend { password: Some("secret".into()), ..stranger };
    let mut existing = start(&friend).await;
    assert!(existing.pids().is_empty());
    assert!(existing.config().contains(&("appendonly".into(), "no".into())));
    exercise(&*existing).await;
    existing.stop().await.expect("cleans up");
    let mut keys: Vec<String> = ask(&format!(":secret@{address}"), &["KEYS", "*"]).await;
    keys.sort();
    assert_eq!(keys, ["foreign", "run", "running:1", "xrun:1"]);
}

#[tokio::test]
async fn an_existing_redis_cluster_is_found_from_one_node_and_keeps_foreign_keys() {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let local = start(&backend("cluster", folder.path())).await;
    let primaries: Vec<_> = local.nodes()[..3].iter().map(|node| node.address.clone()).collect();
    // `foo`, `hello` and `bar` lie on different shards; each is written where it belongs.
    for (key, primary) in [("foo", 2), ("hello", 0), ("bar", 0)] {
        ask::<()>(&primaries[primary], &["SET", key, "stays"]).await;
    }
    let mut existing = start(&Backend { nodes: vec![primaries[1].clone()], ..backend("cluster", folder.path()) }).await;
    assert_eq!(existing.nodes().len(), 6);
    exercise(&*existing).await;
    let count = async || {
        let mut sum = 0;
        for primary in &primaries {
            sum += ask::<usize>(primary, &["DBSIZE"]).await;
        }
        sum
    };
    assert_eq!(count().await, 3 + 48, "24 registers and 24 sets");
    existing.stop().await.expect("cleans up");
    assert_eq!(count().await, 3);
}

#[tokio::test]
async fn an_existing_sentinel_installation_is_found_through_its_sentinels() {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let local = start(&with(backend("sentinel", folder.path()), &[("master", "shop")])).await;
    let primary = local.nodes()[0].address.clone();
    ask::<()>(&primary, &["SET", "foreign", "stays"]).await;
    let sentinels: Vec<_> = ["s1", "s2", "s3"]
        .iter()
        .map(|name| {
            let file = std::fs::read_to_string(folder.path().join(name).join("sentinel.conf")).unwrap();
            let port = file.lines().find_map(|line| line.strip_prefix("port ")).expect("a port");
            format!("127.0.0.1:{port}")
        })
        .collect();
    let there = Backend { nodes: sentinels, ..backend("sentinel", folder.path()) };
    let unknown = try_start(&there).await.err();
    assert!(matches!(unknown, Some(SystemError::Unreachable { .. })), "{unknown:?}");
    let mut existing = start(&with(there.clone(), &[("master", "shop")])).await;
    assert_eq!(existing.nodes().len(), 3);
    assert_eq!(existing.nodes()[0].address, primary);
    exercise(&*existing).await;
    for (read_from, slots) in [(ReadFrom::Any, [0, 1, 2]), (ReadFrom::Node(NodeId(2)), [2, 2, 2])] {
        let any = with(Backend { read_from, ..there.clone() }, &[("master", "shop")]);
        let spread = start(&any).await;
        for (slot, node) in slots.into_iter().enumerate() {
            let mut client = spread.connect(slot).await.expect("connects");
            assert_eq!(done(&mut client, Action::Read { key: Key(1) }).await.node, Some(NodeId(node)));
        }
    }
    let beyond = with(Backend { read_from: ReadFrom::Node(NodeId(3)), ..there.clone() }, &[("master", "shop")]);
    assert!(matches!(try_start(&beyond).await.err(), Some(SystemError::BadOption { .. })));
    existing.stop().await.expect("cleans up");
    assert_eq!(ask::<Vec<String>>(&primary, &["KEYS", "*"]).await, ["foreign"]);
}

/// A certificate authority, and a server's and a client's certificate signed by it.
fn make_certificates(folder: &Path) -> bool {
    let openssl = |line: &str| {
        let status = Command::new("openssl").args(line.split(' ')).current_dir(folder).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    std::fs::write(folder.join("server.ext"), "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
        .expect("writes");
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=authority"))
        && ["server", "client"].iter().all(|name| {
            openssl(&format!("req {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"))
                && openssl(&format!(
                    "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
                     -extfile server.ext -out {name}.pem"
                ))
        })
}

#[tokio::test]
async fn an_existing_server_is_reached_over_tls_with_its_authority_and_a_client_certificate() {
    if !installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    if !make_certificates(folder.path()) {
        assert!(!required(), "redis is required, and its TLS test needs openssl");
        skipped("redis over TLS: openssl is not installed");
        return;
    }
    let local = start(&backend("", folder.path())).await;
    let plain = local.nodes()[0].address.clone();
    let port = consistory::record::cluster::address::free_addresses(1).unwrap()[0].port();
    let file = |name: &str| folder.path().join(name);
    let path = |name: &str| file(name).display().to_string();
    let (authority, certificate, key) = (path("ca.pem"), path("server.pem"), path("server.key"));
    let words = ["CONFIG", "SET", "tls-ca-cert-file", &authority, "tls-cert-file", &certificate, "tls-key-file", &key];
    ask::<()>(&plain, &words).await;
    ask::<()>(&plain, &["CONFIG", "SET", "tls-port", &port.to_string()]).await;
    let over =
        |tls: Tls| Backend { nodes: vec![format!("127.0.0.1:{port}")], tls: Some(tls), ..backend("", folder.path()) };
    let trusting = Tls { ca: Some(file("ca.pem")), ..Tls::default() };
    let full = Tls { certificate: Some(file("client.pem")), key: Some(file("client.key")), ..trusting.clone() };
    let distrusting = Tls { ca: Some(file("client.pem")), ..full.clone() };
    assert!(try_start(&over(distrusting)).await.is_err(), "signed by somebody else");
    assert!(try_start(&over(trusting)).await.is_err(), "the server wants a client certificate");
    let mut existing = start(&over(full.clone())).await;
    exercise(&*existing).await;
    existing.stop().await.expect("cleans up");
    let blind = Tls { ca: None, insecure: true, ..full };
    start(&over(blind)).await;
}
