import httpx

from tests.gateway.customers import new_model


def test_x(gateway, customer, backend):
    model = new_model(backend.base_url)
    r = httpx.post(
        gateway.base_url + "/chat/completions",
        headers={"authorization": "Bearer " + customer.key},
        json={"model": model.name, "messages": [{"role": "user", "content": "hi"}]},
    )
    print(r.status_code, r.headers, r.text)
    print(vars(customer.settled()[0]))
    assert 0
