// SPDX-License-Identifier: Apache-2.0
// Every call of wadm's client library, good and bad, against whoever serves at the address given.
// Prints what came back, for comparison: `client NATS_URL`.
use futures::StreamExt;
use std::time::Duration;
use wadm_client::{Client, ClientConnectOptions};
use wadm_types::api::StatusType;

fn manifest(version: &str, count: u32) -> Vec<u8> {
    format!(
        r#"apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: peer
  annotations:
    version: {version}
    description: "by the client library"
spec:
  components:
    - name: web
      type: component
      properties:
        image: ghcr.io/example/web:{version}
        config:
          - name: words
            properties: {{greeting: hello}}
      traits:
        - type: spreadscaler
          properties: {{instances: {count}}}
        - type: link
          properties:
            target: store
            namespace: wasi
            package: keyvalue
            interfaces: [store]
    - name: store
      type: capability
      properties:
        image: ghcr.io/example/store:1
"#
    )
    .into_bytes()
}

fn tell<T: std::fmt::Debug, E: std::fmt::Display>(what: &str, r: Result<T, E>) {
    match r {
        Ok(x) => println!("{what}: ok {x:?}"),
        Err(e) => println!("{what}: error {e}"),
    }
}

async fn until(client: &Client, want: StatusType) {
    for _ in 0..300 {
        if let Ok(s) = client.get_manifest_status("peer").await {
            if s.info.status_type == want {
                println!("status: {want:?}");
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tell("status: never", client.get_manifest_status("peer").await);
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::args().nth(1).expect("usage: client NATS_URL");
    let opts = ClientConnectOptions { url: Some(url), ..Default::default() };
    let c = Client::new("default", None, opts).await?;
    let told = c.subscribe_to_status("peer").await?;
    tell("list of nothing", c.list_manifests().await);
    tell("get of nothing", c.get_manifest("peer", None).await.map(|m| m.metadata.name));
    tell("status of nothing", c.get_manifest_status("peer").await);
    tell("versions of nothing", c.list_versions("peer").await);
    tell("deploy of nothing", c.deploy_manifest("peer", None).await);
    tell("undeploy of nothing", c.undeploy_manifest("peer").await);
    tell("delete of nothing", c.delete_manifest("peer", None).await);
    tell("put of no manifest", c.put_manifest(b"{{ no".to_vec()).await);
    tell("put", c.put_manifest(manifest("v1", 2)).await);
    tell("put again", c.put_manifest(manifest("v1", 2)).await);
    tell("put another", c.put_manifest(manifest("v2", 3)).await);
    tell("deploy of no version", c.deploy_manifest("peer", Some("v9")).await);
    tell("deploy", c.deploy_manifest("peer", Some("v1")).await);
    until(&c, StatusType::Deployed).await;
    tell("list", c.list_manifests().await.map(|l| {
        l.into_iter().map(|s| (s.name, s.version, s.description, s.deployed_version, s.detailed_status.info.status_type)).collect::<Vec<_>>()
    }));
    tell("get", c.get_manifest("peer", Some("v1")).await.map(|m| serde_json::to_string(&m).unwrap()));
    tell("get newest", c.get_manifest("peer", None).await.map(|m| m.version().to_string()));
    tell("get of no version", c.get_manifest("peer", Some("v9")).await.map(|m| m.metadata.name));
    tell("versions", c.list_versions("peer").await.map(|l| {
        l.into_iter().map(|v| (v.version, v.deployed)).collect::<Vec<_>>()
    }));
    tell("status", c.get_manifest_status("peer").await.map(|s| {
        let mut list: Vec<_> = s.scalers.into_iter().map(|x| (x.kind, x.name, x.info.status_type)).collect();
        list.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        (s.info.status_type, list)
    }));
    tell("put and deploy", c.put_and_deploy_manifest(manifest("v3", 1)).await);
    until(&c, StatusType::Deployed).await;
    tell("delete of a version", c.delete_manifest("peer", Some("v2")).await);
    tell("undeploy", c.undeploy_manifest("peer").await);
    until(&c, StatusType::Undeployed).await;
    tell("delete", c.delete_manifest("peer", None).await);
    tell("list at the end", c.list_manifests().await);
    let heard: Vec<_> = told.take_until(tokio::time::sleep(Duration::from_secs(1))).collect().await;
    let kinds: Vec<String> = heard.iter().filter_map(|m| serde_json::from_slice::<serde_json::Value>(&m.payload).ok())
        .filter_map(|v| v["status"]["type"].as_str().map(String::from)).collect();
    println!("statuses heard: deployed {}, the last {:?}", kinds.iter().any(|k| k == "deployed"), kinds.last());
    Ok(())
}
