
from tests.builders import a_cut, a_loan
def test_x(house):
    house.book(a_loan(), a_cut())
    p = house.phone()
    p.loan()
def test_y(house):
    house.book(a_loan(overdue_days=40), a_cut(first_due_on=a_loan(overdue_days=40).unpaid_due_on))
    p = house.phone()
    print(p.loan().json_body["owed"], p.loan().json_body["schedule"][:2])
    print(p.quote(kind="overdue"))
