use bytes::Bytes;
use http::{HeaderMap, Method};
use kernel::{Actor, Failure, Home, Reason, Status, TenantId};
use route::{Body, Raw, Run};
use serde_json::{Value, json};

use crate::bench::{self, LEAD, OWNER, Office, READER, WRITER, user};

fn member(n: u8, role: u8) -> Actor {
    Actor::Member { user: user(n), role }
}

const LAST_OWNER: Failure = Failure::Refused(Reason::LastOwner);
const CEILING: Failure = Failure::Refused(Reason::Ceiling);
const NOT_GRANTED: Failure = Failure::Refused(Reason::NotGranted);

impl Office {
    /// What the server does after it has found the route: permit, then handler.
    async fn ask(&self, home: Home, actor: Actor, line: &str, input: Value) -> Result<Value, Failure> {
        let (method, path) = line.split_once(' ').unwrap();
        let method: Method = method.parse().unwrap();
        let routes = super::routes(&self.desk);
        let route = routes.iter().find(|r| r.path == path && r.serve.method == method).unwrap();
        let params: Vec<_> = ["user", "id"].into_iter().filter(|n| path.contains(&format!("{{{n}}}"))).collect();
        let mut input = input;
        let params = params.into_iter().map(|n| (n, input[n].take().as_str().unwrap().to_owned())).collect();
        if let Some(members) = input.as_object_mut() {
            members.retain(|_, v| !v.is_null());
        }
        let body = if input.is_null() { Bytes::new() } else { input.to_string().into() };
        let raw = Raw { params, query: Vec::new(), headers: HeaderMap::new(), body, stream: None };
        let (who, access, store) = (self.house.who(home, actor), &self.desk.access, &self.house.store);
        let reply = match &route.serve.run {
            Run::Read(run) => run(store, access.permit(who, route.action, "", false).await?, raw, None).await?,
            Run::Write(run) => {
                run(store, access.permit(who, route.action, route.serve.event, true).await?, raw, None).await?
            }
        };
        Ok(match reply.body {
            Body::Bytes(bytes) => serde_json::from_slice(&bytes).unwrap(),
            Body::Page(page) => Value::String(page("nonce")),
            _ => Value::Null,
        })
    }
    async fn here(&self, actor: Actor, line: &str, input: Value) -> Result<Value, Failure> {
        self.ask(bench::home(), actor, line, input).await
    }
    async fn invite(&self, actor: Actor, email: &str, role: &str) -> Result<Value, Failure> {
        self.here(actor, "POST /api/v1/members/invitations", json!({ "email": email, "role": role })).await
    }
    async fn accept(&self, actor: Actor, input: Value) -> Result<Value, Failure> {
        self.here(actor, "POST /api/v1/invitations/accept", input).await
    }
    async fn assign(&self, actor: Actor, n: u8, role: &str) -> Result<(), Failure> {
        self.here(actor, "PATCH /api/v1/members/{user}", json!({ "user": user(n), "role": role })).await.map(drop)
    }
    async fn remove(&self, actor: Actor, n: u8) -> Result<(), Failure> {
        self.here(actor, "DELETE /api/v1/members/{user}", json!({ "user": user(n) })).await.map(drop)
    }
    async fn suspend(&self, actor: Actor, n: u8) -> Result<(), Failure> {
        self.here(actor, "POST /api/v1/members/{user}/suspend", json!({ "user": user(n) })).await.map(drop)
    }
    async fn leave(&self, actor: Actor) -> Result<(), Failure> {
        self.here(actor, "DELETE /api/v1/me/membership", Value::Null).await.map(drop)
    }
}

fn new_account(token: &str) -> Value {
    json!({ "token": token, "name": "Ada", "password": "correct horse battery" })
}

#[tokio::test]
async fn an_invitation_makes_an_account_and_a_member_once() {
    let office = Office::open().await;
    let shown = office.invite(member(1, OWNER), " Ada@Example.com ", "writer").await.unwrap();
    assert_eq!((&shown["email"], &shown["role"]), (&json!("ada@example.com"), &json!("writer")));
    let (to, text) = office.mails().await.pop().unwrap();
    let token = office.token().await;
    assert!(to == "ada@example.com" && text.contains("http://acme.localhost/invitation?token=") && token.len() == 64);

    let short = json!({ "token": token, "name": "Ada", "password": "short" });
    assert!(matches!(office.accept(Actor::Visitor, short).await, Err(Failure::Invalid(_))));
    assert!(matches!(office.accept(Actor::Visitor, json!({ "token": token })).await, Err(Failure::Invalid(_))));
    let joined = office.accept(Actor::Visitor, new_account(&token)).await.unwrap();
    assert_eq!((&joined["role"], &joined["created"]), (&json!("writer"), &json!(true)));
    let listed = office.here(member(1, OWNER), "GET /api/v1/members", Value::Null).await.unwrap();
    let line = listed["members"].as_array().unwrap().iter().find(|m| m["email"] == "ada@example.com").unwrap();
    assert_eq!((&line["name"], &line["role"], &line["suspended"]), (&json!("Ada"), &json!("writer"), &json!(false)));

    assert_eq!(office.accept(Actor::Visitor, new_account(&token)).await, Err(Failure::Gone));
    assert_eq!(office.accept(Actor::Visitor, new_account(&"0".repeat(64))).await, Err(Failure::NotFound));
    let again = office.invite(member(1, OWNER), "ada@example.com", "lead").await;
    assert!(matches!(again, Err(Failure::Conflict(_))), "a member already");
    let leaves = office.house.leaves(bench::home()).await;
    let names: Vec<_> = leaves.iter().map(|(action, ..)| action.as_str()).collect();
    assert!(names.contains(&"member.invited") && names.contains(&"member.joined"), "{names:?}");
}

#[tokio::test]
async fn an_account_joins_signed_in_and_no_other_way() {
    let office = Office::open().await;
    office.account(7, "grace@example.com").await;
    office.account(8, "eve@example.com").await;
    office.invite(member(1, OWNER), "grace@example.com", "reader").await.unwrap();
    let token = office.token().await;
    assert_eq!(office.accept(Actor::Visitor, new_account(&token)).await, Err(Failure::SignInNeeded));
    let eve = office.accept(Actor::Account { user: user(8) }, new_account(&token)).await;
    assert!(matches!(eve, Err(Failure::Conflict(_))));
    let joined = office.accept(Actor::Account { user: user(7) }, json!({ "token": token })).await.unwrap();
    assert_eq!((&joined["user"], &joined["created"]), (&json!(user(7)), &json!(false)));
    assert_eq!(office.standing(7).await.map(|s| s.role), Some(READER));
}

#[tokio::test]
async fn an_invitation_ends() {
    let office = Office::open().await;
    office.member(2, LEAD).await;
    let owner = || member(1, OWNER);
    // By time.
    office.invite(owner(), "a@example.com", "reader").await.unwrap();
    let token = office.token().await;
    office.house.clock.advance(crate::invitation::LIFE);
    assert_eq!(office.accept(Actor::Visitor, new_account(&token)).await, Err(Failure::Gone));
    // By a newer one to the same address, and by being withdrawn.
    office.invite(owner(), "b@example.com", "reader").await.unwrap();
    let first = office.token().await;
    office.house.clock.advance(1);
    let shown = office.invite(owner(), "b@example.com", "reader").await.unwrap();
    let second = office.token().await;
    assert_ne!(first, second);
    assert_eq!(office.accept(Actor::Visitor, new_account(&first)).await, Err(Failure::NotFound));
    let waiting = office.here(owner(), "GET /api/v1/members/invitations", Value::Null).await.unwrap();
    assert_eq!(waiting, json!([shown]));
    let withdraw = || office.here(owner(), "DELETE /api/v1/members/invitations/{id}", json!({ "id": shown["id"] }));
    assert_eq!(withdraw().await, Ok(Value::Null));
    assert_eq!(withdraw().await, Err(Failure::NotFound));
    assert_eq!(office.accept(Actor::Visitor, new_account(&second)).await, Err(Failure::NotFound));
    // With its inviter's right.
    office.house.clock.advance(1);
    office.invite(member(2, LEAD), "c@example.com", "lead").await.unwrap();
    let token = office.token().await;
    office.assign(owner(), 2, "reader").await.unwrap();
    assert_eq!(office.accept(Actor::Visitor, new_account(&token)).await, Err(Failure::Gone));
}

#[tokio::test]
async fn an_invitation_works_at_its_own_tenant_and_at_the_house() {
    let office = Office::open().await;
    office.invite(member(1, OWNER), "a@example.com", "reader").await.unwrap();
    let token = office.token().await;
    let at = async |home: Home| {
        office.ask(home, Actor::Visitor, "POST /api/v1/invitations/accept", new_account(&token)).await.map(drop)
    };
    let elsewhere = Home { id: TenantId(bench::id(77)), ..bench::home() };
    assert_eq!(at(elsewhere).await, Err(Failure::NotFound));
    let suspended = Home { status: Status::Suspended, ..bench::home() };
    assert_eq!(at(suspended).await, Err(Failure::Refused(Reason::TenantSuspended)));
    assert_eq!(at(bench::apex()).await, Ok(()));
}

#[tokio::test]
async fn nobody_confers_or_touches_more_than_they_hold() {
    let office = Office::open().await;
    for (n, role) in [(2, LEAD), (3, WRITER), (4, LEAD)] {
        office.member(n, role).await;
    }
    let lead = || member(2, LEAD);
    assert_eq!(office.invite(lead(), "x@example.com", "owner").await, Err(CEILING));
    assert!(office.invite(lead(), "x@example.com", "lead").await.is_ok());
    assert!(matches!(office.invite(lead(), "x@example.com", "king").await, Err(Failure::Invalid(_))));
    assert_eq!(office.assign(lead(), 3, "owner").await, Err(CEILING));
    assert_eq!(office.assign(lead(), 2, "owner").await, Err(CEILING), "not oneself either");
    assert_eq!(office.assign(lead(), 1, "reader").await, Err(CEILING));
    assert_eq!(office.remove(lead(), 1).await, Err(CEILING));
    assert_eq!(office.suspend(lead(), 1).await, Err(CEILING));
    let operator = || Actor::Operator("ann".into());
    assert_eq!(office.invite(operator(), "y@example.com", "owner").await, Err(CEILING));
    assert_eq!(office.assign(operator(), 3, "reader").await, Ok(()));
    assert_eq!(office.assign(lead(), 3, "lead").await, Ok(()));
    assert_eq!(office.standing(3).await.map(|s| s.role), Some(LEAD));
    assert_eq!(office.suspend(lead(), 4).await, Ok(()));
    assert_eq!(office.standing(4).await.map(|s| s.suspended), Some(true));
    assert_eq!(office.remove(lead(), 4).await, Ok(()));
    assert_eq!(office.standing(4).await, None);
    assert_eq!(office.remove(lead(), 4).await, Err(Failure::NotFound));
    assert_eq!(office.remove(lead(), 99).await, Err(Failure::NotFound));
}

#[tokio::test]
async fn an_owner_stays() {
    let office = Office::open().await;
    let owner = || member(1, OWNER);
    assert_eq!(office.leave(owner()).await, Err(LAST_OWNER));
    assert_eq!(office.assign(owner(), 1, "reader").await, Err(LAST_OWNER));
    assert_eq!(office.suspend(owner(), 1).await, Err(LAST_OWNER));
    assert_eq!(office.remove(owner(), 1).await, Err(LAST_OWNER));
    office.member(2, OWNER).await;
    // Two owners leave at once: one of them stays.
    let (one, two) = tokio::join!(office.leave(owner()), office.leave(member(2, OWNER)));
    assert_eq!([one.is_ok(), two.is_ok()].iter().filter(|gone| **gone).count(), 1, "{one:?} {two:?}");
    assert_eq!(office.leave(Actor::Account { user: user(9) }).await, Err(Failure::NotFound));
}

#[tokio::test]
async fn members_are_the_managers_business() {
    let office = Office::open().await;
    office.member(2, WRITER).await;
    let writer = || member(2, WRITER);
    assert_eq!(office.here(writer(), "GET /api/v1/members", Value::Null).await, Err(NOT_GRANTED));
    assert_eq!(office.invite(writer(), "x@example.com", "reader").await, Err(NOT_GRANTED));
    assert_eq!(office.remove(writer(), 1).await, Err(NOT_GRANTED));
    assert_eq!(office.remove(Actor::Visitor, 1).await, Err(Failure::SignInNeeded));
    assert_eq!(office.remove(Actor::Account { user: user(9) }, 1).await, Err(Failure::NotFound));
    assert_eq!(office.leave(writer()).await, Ok(()));
    assert_eq!(office.standing(2).await, None);
    let rights = office.here(Actor::Visitor, "GET /api/v1/me/rights", Value::Null).await.unwrap();
    assert_eq!(rights[0]["resource"], "pages");
}

#[tokio::test]
async fn the_page_behind_the_link_changes_nothing() {
    let office = Office::open().await;
    office.invite(member(1, OWNER), "a@example.com", "reader").await.unwrap();
    let token = office.token().await;
    let page = office.here(Actor::Visitor, "GET /invitation", json!({ "token": "\"><script>" })).await.unwrap();
    let text = page.as_str().unwrap();
    assert!(text.contains("Join Acme") && text.contains("nonce=\"nonce\"") && !text.contains("\"><script>"));
    assert!(office.accept(Actor::Visitor, new_account(&token)).await.is_ok());
}
