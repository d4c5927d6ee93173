//! What members do in a scene: records made, read and changed through the public API, like anybody.

use serde_json::{Map, Value, json};

use crate::{
    evidence::{Miss, unclear},
    pick::{self, Links},
    run::Scene,
    stage::{Person, Tenant},
    wire::{Answer, Ask},
};

/// A record that exists.
#[derive(Clone, Debug)]
pub struct Made {
    /// Position of its collection.
    pub at: usize,
    /// The collection's id.
    pub collection: &'static str,
    /// Its own id.
    pub id: String,
    /// Its entity tag.
    pub etag: String,
}

impl Made {
    /// Its path below the tenant's url.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", records(self.collection), self.id)
    }
}

/// Path of a collection's records.
#[must_use]
pub fn records(collection: &str) -> String {
    format!("/api/v1/collections/{collection}/records")
}

/// The entity tag of an answer: its header, else one made of the record's version.
fn tag(answer: &Answer) -> String {
    let version = || answer.json().get("version").map(|v| format!("\"{v}\""));
    answer.header("etag").map(str::to_owned).or_else(version).unwrap_or_default()
}

impl Scene {
    /// Whose records a new one at `tenant` refers to.
    ///
    /// # Errors
    /// Unclear when a step is refused.
    pub async fn links(&self, tenant: &Tenant, at: usize) -> Result<Links, Miss> {
        let owner = tenant.owner()?;
        let mut links = Links { member: owner.user.clone(), ..Links::default() };
        let chain = pick::chain(&self.app, at)
            .ok_or(Miss::Unbuilt("no record of this collection can be made by the prober"))?;
        for (c, published) in chain {
            if c == at {
                break;
            }
            let made = self.insert(tenant, owner, c, &links, &[], None).await?;
            if published {
                let token = self.stage.token(tenant, owner).await?;
                let act = Ask::post(format!("{}/actions/publish", made.path()), &json!({}))
                    .bearer(&token)
                    .header("if-match", &made.etag);
                self.stage.at(tenant).send(act).await?.decided()?.step("publish")?;
            }
            links.records.insert(c, made.id);
        }
        Ok(links)
    }
    /// Makes a record as the owner, with what it refers to; `marker` goes into a field of the record.
    ///
    /// # Errors
    /// Unclear when a step is refused.
    pub async fn make(&self, tenant: &Tenant, at: usize, marker: Option<(&str, &str)>) -> Result<Made, Miss> {
        let links = self.links(tenant, at).await?;
        self.insert(tenant, tenant.owner()?, at, &links, &[], marker).await
    }
    /// Makes one record as `person`.
    ///
    /// # Errors
    /// Unclear when it is refused.
    pub async fn insert(
        &self,
        tenant: &Tenant,
        person: &Person,
        at: usize,
        links: &Links,
        more: &[&str],
        marker: Option<(&str, &str)>,
    ) -> Result<Made, Miss> {
        let mut body = self.body(at, links, more)?;
        if let Some((field, text)) = marker {
            body.insert(field.to_owned(), text.into());
        }
        let (collection, answer) = self.try_insert(tenant, person, at, body).await?;
        let answer = answer.decided()?;
        if !answer.good() {
            let why = answer.json().get("errors").map(|e| format!(" {e}")).unwrap_or_default();
            return unclear(format!(
                "step `create {collection}` answered {}{}",
                answer.status,
                why.chars().take(120).collect::<String>()
            ));
        }
        Ok(Made { at, collection, id: answer.text("id"), etag: tag(&answer) })
    }
    /// An acceptable body for a new record.
    ///
    /// # Errors
    /// Unclear when there is no such collection.
    pub fn body(&self, at: usize, links: &Links, more: &[&str]) -> Result<Map<String, Value>, Miss> {
        let collection = self.app.collections.get(at).ok_or_else(|| Miss::Unclear("no such collection".to_owned()))?;
        Ok(pick::record(&self.app, collection, links, more))
    }
    /// Tries to make a record.
    ///
    /// # Errors
    /// Unclear when no answer comes.
    pub async fn try_insert(
        &self,
        tenant: &Tenant,
        person: &Person,
        at: usize,
        body: Map<String, Value>,
    ) -> Result<(&'static str, Answer), Miss> {
        let collection = self.app.collections.get(at).map_or("", |c| c.id);
        let token = self.stage.token(tenant, person).await?;
        let ask = Ask::post(records(collection), &Value::Object(body)).bearer(&token);
        Ok((collection, self.stage.at(tenant).send(ask).await?))
    }
    /// Reads as `person`.
    ///
    /// # Errors
    /// Unclear when no answer comes.
    pub async fn read(&self, tenant: &Tenant, person: &Person, path: &str) -> Result<Answer, Miss> {
        let token = self.stage.token(tenant, person).await?;
        self.stage.at(tenant).send(Ask::get(path).bearer(&token)).await
    }
    /// The whole audit log of a tenant, as its owner exports it: one leaf a line.
    ///
    /// # Errors
    /// Unclear when it cannot be had.
    pub async fn log(&self, tenant: &Tenant) -> Result<Vec<Vec<u8>>, Miss> {
        let owner = tenant.owner()?;
        let answer =
            self.read(tenant, owner, "/api/v1/audit/export?format=jsonl").await?.decided()?.step("audit export")?;
        Ok(answer.body.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(<[u8]>::to_vec).collect())
    }
    /// The leaves of a tenant's log as JSON, page by page: this leaves no leaf itself.
    ///
    /// # Errors
    /// Unclear when it cannot be had.
    pub async fn leaves(&self, tenant: &Tenant) -> Result<Vec<Value>, Miss> {
        let (owner, mut out, mut after) = (tenant.owner()?, Vec::new(), None::<i64>);
        loop {
            let place = after.map(|a| format!("&after={a}")).unwrap_or_default();
            let page = self
                .read(tenant, owner, &format!("/api/v1/audit?limit=200{place}"))
                .await?
                .decided()?
                .step("audit")?
                .json();
            let items = page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
            out.extend(items.iter().filter_map(|i| i.get("leaf").cloned()));
            after = page.get("next").and_then(Value::as_i64);
            if after.is_none() {
                return Ok(out);
            }
        }
    }
    /// The collection that carries markers, and the field.
    ///
    /// # Errors
    /// Unbuilt when the app has none.
    pub fn carrier(&self) -> Result<(usize, &'static str), Miss> {
        pick::carrier(&self.app)
            .map(|(at, field)| (at, field.id))
            .ok_or(Miss::Unbuilt("no collection carries plain text"))
    }
}
